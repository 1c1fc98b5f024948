// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: what a device tells about itself, in /sys/block/<name>/zosbd2/.
 * ABI-sysfs.rst describes each file.
 */
#include <linux/device.h>
#include <linux/sysfs.h>

#include "zosbd2.h"

static struct zosbd2_device *zosbd2_from_device(struct device *ddev)
{
	return dev_to_disk(ddev)->private_data;
}

/* A file with one counter of struct zosbd2_stats. */
#define ZOSBD2_STAT_ATTR(field)						\
static ssize_t field##_show(struct device *ddev,			\
			    struct device_attribute *attr, char *buf)	\
{									\
	struct zosbd2_device *dev = zosbd2_from_device(ddev);		\
	u64 value;							\
									\
	value = zosbd2_queues_sum(dev, offsetof(struct zosbd2_stats,	\
						field));		\
	return sysfs_emit(buf, "%llu\n", value);			\
}									\
static DEVICE_ATTR_RO(field)

/* A file with something that does not change while the device is there. */
#define ZOSBD2_CONST_ATTR(name, value)					\
static ssize_t name##_show(struct device *ddev,				\
			   struct device_attribute *attr, char *buf)	\
{									\
	struct zosbd2_device *dev = zosbd2_from_device(ddev);		\
									\
	return sysfs_emit(buf, "%u\n", value);				\
}									\
static DEVICE_ATTR_RO(name)

ZOSBD2_STAT_ATTR(requests);
ZOSBD2_STAT_ATTR(read_bytes);
ZOSBD2_STAT_ATTR(write_bytes);
ZOSBD2_STAT_ATTR(discard_bytes);
ZOSBD2_STAT_ATTR(flushes);
ZOSBD2_STAT_ATTR(errors);
ZOSBD2_STAT_ATTR(timeouts);
ZOSBD2_STAT_ATTR(queue_waits);
ZOSBD2_STAT_ATTR(late_answers);
ZOSBD2_STAT_ATTR(handed_on);
ZOSBD2_STAT_ATTR(queued);
ZOSBD2_STAT_ATTR(in_flight);

ZOSBD2_CONST_ATTR(handle, dev->handle_id);
ZOSBD2_CONST_ATTR(queues, dev->nr_queues - dev->nr_poll_queues);
ZOSBD2_CONST_ATTR(poll_queues, dev->nr_poll_queues);
/* blk-mq makes do with fewer tags than there are slots if memory is short. */
ZOSBD2_CONST_ATTR(queue_depth, dev->tag_set.queue_depth);
ZOSBD2_CONST_ATTR(max_segments, dev->max_segments);
ZOSBD2_CONST_ATTR(timeout_ms, dev->timeout_seconds * 1000);

static ssize_t servers_lost_show(struct device *ddev,
				 struct device_attribute *attr, char *buf)
{
	struct zosbd2_device *dev = zosbd2_from_device(ddev);
	u64 value;

	spin_lock(&dev->lock);
	value = dev->servers_lost;
	spin_unlock(&dev->lock);
	return sysfs_emit(buf, "%llu\n", value);
}
static DEVICE_ATTR_RO(servers_lost);

static ssize_t servers_show(struct device *ddev, struct device_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "%u\n",
			  zosbd2_server_count(zosbd2_from_device(ddev)));
}
static DEVICE_ATTR_RO(servers);

static ssize_t threads_show(struct device *ddev, struct device_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "%u\n",
			  zosbd2_thread_count(zosbd2_from_device(ddev)));
}
static DEVICE_ATTR_RO(threads);

static ssize_t recovery_show(struct device *ddev,
			     struct device_attribute *attr, char *buf)
{
	static const char * const names[] = {
		[ZOSBD2_RECOVERY_WAIT]	= "wait",
		[ZOSBD2_RECOVERY_FAIL]	= "fail",
	};
	struct zosbd2_device *dev = zosbd2_from_device(ddev);

	return sysfs_emit(buf, "%s\n", names[dev->recovery]);
}
static DEVICE_ATTR_RO(recovery);

static ssize_t state_show(struct device *ddev, struct device_attribute *attr,
			  char *buf)
{
	static const char * const names[] = {
		[ZOSBD2_DEV_CREATING]	= "creating",
		[ZOSBD2_DEV_LIVE]	= "live",
		[ZOSBD2_DEV_SYNCING]	= "syncing",
		[ZOSBD2_DEV_REMOVING]	= "removing",
	};
	struct zosbd2_device *dev = zosbd2_from_device(ddev);

	return sysfs_emit(buf, "%s\n", names[READ_ONCE(dev->state)]);
}
static DEVICE_ATTR_RO(state);

static struct attribute *zosbd2_stats_attrs[] = {
	&dev_attr_handle.attr,
	&dev_attr_state.attr,
	&dev_attr_recovery.attr,
	&dev_attr_servers.attr,
	&dev_attr_threads.attr,
	&dev_attr_requests.attr,
	&dev_attr_read_bytes.attr,
	&dev_attr_write_bytes.attr,
	&dev_attr_discard_bytes.attr,
	&dev_attr_flushes.attr,
	&dev_attr_errors.attr,
	&dev_attr_timeouts.attr,
	&dev_attr_queue_waits.attr,
	&dev_attr_late_answers.attr,
	&dev_attr_servers_lost.attr,
	&dev_attr_handed_on.attr,
	&dev_attr_queued.attr,
	&dev_attr_in_flight.attr,
	&dev_attr_timeout_ms.attr,
	&dev_attr_queues.attr,
	&dev_attr_poll_queues.attr,
	&dev_attr_queue_depth.attr,
	&dev_attr_max_segments.attr,
	NULL,
};

static const struct attribute_group zosbd2_stats_group = {
	.name	= "zosbd2",
	.attrs	= zosbd2_stats_attrs,
};

const struct attribute_group *zosbd2_stats_groups[] = {
	&zosbd2_stats_group,
	NULL,
};
