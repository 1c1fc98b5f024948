// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: the registry: which devices there are, by handle and by name.
 *
 * Its mutex protects the list and the handles.  It is never held over anything
 * that waits for I/O, so that a device that hangs blocks neither the others
 * nor the list.
 */
#include <linux/mutex.h>
#include <linux/string.h>

#include "zosbd2.h"

static DEFINE_MUTEX(zosbd2_registry_lock);
static LIST_HEAD(zosbd2_devices);	/* in the order of their creation */
static unsigned int zosbd2_nr_devices;
static u32 zosbd2_last_handle;

static bool zosbd2_dev_is_findable(struct zosbd2_device *dev)
{
	u8 state = READ_ONCE(dev->state);

	return state == ZOSBD2_DEV_LIVE || state == ZOSBD2_DEV_SYNCING;
}

/**
 * zosbd2_dev_get_by_id - look a device up by its handle
 * @handle_id: the handle
 *
 * Return: the device with a reference, or NULL.
 */
struct zosbd2_device *zosbd2_dev_get_by_id(u32 handle_id)
{
	struct zosbd2_device *dev, *found = NULL;

	mutex_lock(&zosbd2_registry_lock);
	list_for_each_entry(dev, &zosbd2_devices, node) {
		if (dev->handle_id == handle_id &&
		    zosbd2_dev_is_findable(dev)) {
			kref_get(&dev->ref);
			found = dev;
			break;
		}
	}
	mutex_unlock(&zosbd2_registry_lock);
	return found;
}

/**
 * zosbd2_dev_get_by_name - look a device up by its name
 * @name: the name
 *
 * Return: the device with a reference, or NULL.
 */
struct zosbd2_device *zosbd2_dev_get_by_name(const char *name)
{
	struct zosbd2_device *dev, *found = NULL;

	mutex_lock(&zosbd2_registry_lock);
	list_for_each_entry(dev, &zosbd2_devices, node) {
		if (!strcmp(dev->name, name) && zosbd2_dev_is_findable(dev)) {
			kref_get(&dev->ref);
			found = dev;
			break;
		}
	}
	mutex_unlock(&zosbd2_registry_lock);
	return found;
}

/**
 * zosbd2_dev_list - list the handles of all devices
 * @list: filled in
 */
void zosbd2_dev_list(struct zosbd2_device_list *list)
{
	struct zosbd2_device *dev;

	memset(list, 0, sizeof(*list));
	mutex_lock(&zosbd2_registry_lock);
	list_for_each_entry(dev, &zosbd2_devices, node)
		if (zosbd2_dev_is_findable(dev))
			list->handle_id[list->num_devices++] = dev->handle_id;
	mutex_unlock(&zosbd2_registry_lock);
}

static bool zosbd2_handle_is_used(u32 handle_id)
	__must_hold(&zosbd2_registry_lock)
{
	struct zosbd2_device *dev;

	list_for_each_entry(dev, &zosbd2_devices, node)
		if (dev->handle_id == handle_id)
			return true;
	return false;
}

/**
 * zosbd2_registry_add - give a new device its handle and reserve its name
 * @new: the device; the registry takes a reference
 *
 * Return: 0, -EEXIST if another of our devices has the name, -EINVAL if there
 * are as many devices as there may be.
 */
int zosbd2_registry_add(struct zosbd2_device *new)
{
	struct zosbd2_device *dev;
	int ret = 0;

	mutex_lock(&zosbd2_registry_lock);
	list_for_each_entry(dev, &zosbd2_devices, node) {
		if (!strcmp(dev->name, new->name)) {
			ret = -EEXIST;
			goto out_unlock;
		}
	}
	if (zosbd2_nr_devices >= zosbd2_max_devices) {
		ret = -EINVAL;
		goto out_unlock;
	}
	do {
		zosbd2_last_handle++;
	} while (!zosbd2_last_handle ||
		 zosbd2_handle_is_used(zosbd2_last_handle));
	new->handle_id = zosbd2_last_handle;
	kref_get(&new->ref);
	list_add_tail(&new->node, &zosbd2_devices);
	zosbd2_nr_devices++;
out_unlock:
	mutex_unlock(&zosbd2_registry_lock);
	return ret;
}

/**
 * zosbd2_registry_remove - free a device's handle and name
 * @dev: the device; the registry drops its reference
 */
void zosbd2_registry_remove(struct zosbd2_device *dev)
{
	mutex_lock(&zosbd2_registry_lock);
	list_del(&dev->node);
	zosbd2_nr_devices--;
	mutex_unlock(&zosbd2_registry_lock);
	zosbd2_dev_put(dev);
}
