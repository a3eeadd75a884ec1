// SPDX-License-Identifier: GPL-2.0
/*
 * configfs' rmpopt: action and description as version 1 of the series has
 * them, and reenable, which is action with a text for programs.
 */
#include <linux/configfs.h>
#include <linux/kernel.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/mutex.h>

#include "rmpopt.h"

static ssize_t store_request(const char *page, size_t count)
{
	unsigned int value;
	int error;

	error = kstrtouint(page, 10, &value);
	if (error)
		return error;
	if (value != 1)
		return -EINVAL;
	error = rmpopt_pass_request();
	return error ? error : count;
}

static ssize_t rmpopt_action_show(struct config_item *item, char *page)
{
	return sprintf(page, "RMP optimization in progress: %s\n",
		       rmpopt_pass_running() ? "Yes" : "No");
}

static ssize_t rmpopt_action_store(struct config_item *item, const char *page, size_t count)
{
	return store_request(page, count);
}
CONFIGFS_ATTR(rmpopt_, action);

static ssize_t rmpopt_description_show(struct config_item *item, char *page)
{
	return sprintf(page, "[RMPOPT]\n\necho 1 > action to perform RMP optimization.\n");
}
CONFIGFS_ATTR_RO(rmpopt_, description);

static ssize_t rmpopt_reenable_show(struct config_item *item, char *page)
{
	return sprintf(page, "%d\n", rmpopt_pass_running());
}

static ssize_t rmpopt_reenable_store(struct config_item *item, const char *page, size_t count)
{
	return store_request(page, count);
}
CONFIGFS_ATTR(rmpopt_, reenable);

static struct configfs_attribute *attributes[] = {
	&rmpopt_attr_action,
	&rmpopt_attr_description,
	&rmpopt_attr_reenable,
	NULL,
};

static const struct config_item_type type = {
	.ct_attrs = attributes,
	.ct_owner = THIS_MODULE,
};

static struct configfs_subsystem subsystem = {
	.su_group = {
		.cg_item = {
			.ci_namebuf = "rmpopt",
			.ci_type = &type,
		},
	},
};

int rmpopt_request_init(void)
{
	config_group_init(&subsystem.su_group);
	mutex_init(&subsystem.su_mutex);
	return configfs_register_subsystem(&subsystem);
}

void rmpopt_request_exit(void)
{
	configfs_unregister_subsystem(&subsystem);
}
