// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: how a device ends, see the rules at the top of zosbd2_dev.c.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mutex.h>
#include <linux/workqueue.h>

#include "zosbd2.h"

/* Runs the write-back of unforced destroys, so that they can be interrupted. */
struct workqueue_struct *zosbd2_sync_wq;

/**
 * zosbd2_sync_work - write back for an unforced destroy
 * @work: zosbd2_device.sync_work
 */
void zosbd2_sync_work(struct work_struct *work)
{
	struct zosbd2_device *dev =
		container_of(work, struct zosbd2_device, sync_work);
	u32 number;
	int err;

	spin_lock(&dev->lock);
	number = dev->sync_asked;
	spin_unlock(&dev->lock);

	err = sync_blockdev(dev->disk->part0);
	if (!err && dev->features & ZOSBD2_FEATURE_FLUSH)
		err = blkdev_issue_flush(dev->disk->part0);

	spin_lock(&dev->lock);
	WRITE_ONCE(dev->sync_done, number);
	dev->sync_err = err;
	spin_unlock(&dev->lock);
	wake_up_all(&dev->sync_wait);
}

/* Tear down a device that the caller has moved to REMOVING. */
static void zosbd2_remove(struct zosbd2_device *dev)
{
	struct gendisk *disk = dev->disk;

	del_gendisk(disk);
	/* Nothing is left to serve; let the servers go. */
	zosbd2_queues_kill(dev);
	zosbd2_servers_detach(dev, ZOSBD2_OF_ANY, NULL);
	cancel_work_sync(&dev->sync_work);
	blk_mq_free_tag_set(&dev->tag_set);
	pr_info("%s: destroyed\n", dev->name);
	zosbd2_registry_remove(dev);
	put_disk(disk);
}

/* Fail everything first, so that nothing in del_gendisk() has to wait. */
static void zosbd2_remove_dead(struct zosbd2_device *dev)
{
	zosbd2_queues_kill(dev);
	blk_mark_disk_dead(dev->disk);
	zosbd2_remove(dev);
}

/**
 * zosbd2_dev_destroy_forced - destroy a device at once
 * @dev: the device, of which the caller holds a reference
 *
 * Overtakes an unforced destroy that is still writing back.
 *
 * Return: 0, or -ENOENT if somebody else is removing it.
 */
int zosbd2_dev_destroy_forced(struct zosbd2_device *dev)
{
	if (!zosbd2_dev_move(dev, BIT(ZOSBD2_DEV_LIVE) |
				  BIT(ZOSBD2_DEV_SYNCING),
			     ZOSBD2_DEV_REMOVING))
		return -ENOENT;
	zosbd2_remove_dead(dev);
	return 0;
}

/* Shut new openers out if nobody but its servers has the device open. */
static int zosbd2_claim(struct zosbd2_device *dev)
{
	struct gendisk *disk;
	int ret = 0;

	disk = zosbd2_get_disk(dev);
	if (!disk)
		return -ENOENT;
	if (mutex_lock_interruptible(&disk->open_mutex)) {
		put_disk(disk);
		return -ERESTARTSYS;
	}
	spin_lock(&dev->lock);
	if (dev->state == ZOSBD2_DEV_REMOVING)
		ret = -ENOENT;
	else if (dev->state == ZOSBD2_DEV_SYNCING || zosbd2_client_in_use(dev))
		ret = -EBUSY;
	else
		WRITE_ONCE(dev->state, ZOSBD2_DEV_SYNCING);
	spin_unlock(&dev->lock);
	mutex_unlock(&disk->open_mutex);
	put_disk(disk);
	return ret;
}

/*
 * Write the page cache back, with the servers at work.  In a work item, as
 * waiting for a page cannot be interrupted and a server may never answer.
 * It is queued only while the claim holds: a remover first takes the claim
 * away and then waits for the work.
 */
static int zosbd2_sync(struct zosbd2_device *dev)
{
	u32 number;
	int ret;

	spin_lock(&dev->lock);
	if (dev->state != ZOSBD2_DEV_SYNCING) {
		spin_unlock(&dev->lock);
		return -ENOENT;
	}
	number = ++dev->sync_asked;
	queue_work(zosbd2_sync_wq, &dev->sync_work);
	spin_unlock(&dev->lock);
	ret = wait_event_interruptible(dev->sync_wait,
				       (s32)(READ_ONCE(dev->sync_done) -
					     number) >= 0 ||
				       READ_ONCE(dev->gone));
	if (ret)
		return ret;
	spin_lock(&dev->lock);
	ret = dev->sync_err;
	spin_unlock(&dev->lock);
	return ret;
}

/**
 * zosbd2_dev_destroy - destroy a device that is not in use, without loss
 * @dev: the device, of which the caller holds a reference
 *
 * Return: 0; -EBUSY if anybody but its servers has it open, or another such
 * call is under way; -ENOENT if somebody else removes it; -ERESTARTSYS if a
 * signal came first; the error of the write-back if that failed.  The device
 * stays as it was when this fails.
 */
int zosbd2_dev_destroy(struct zosbd2_device *dev)
{
	bool unserved;
	int ret;

	ret = zosbd2_claim(dev);
	if (ret)
		return ret;

	spin_lock(&dev->lock);
	unserved = !dev->ever_served;
	spin_unlock(&dev->lock);
	/* All that can be queued there is reads, see zosbd2_claim(). */
	if (!unserved)
		ret = zosbd2_sync(dev);
	if (ret) {
		if (!zosbd2_dev_move(dev, BIT(ZOSBD2_DEV_SYNCING),
				     ZOSBD2_DEV_LIVE))
			ret = -ENOENT;
		return ret;
	}
	if (!zosbd2_dev_move(dev, BIT(ZOSBD2_DEV_SYNCING),
			     ZOSBD2_DEV_REMOVING))
		return -ENOENT;
	if (unserved)
		zosbd2_remove_dead(dev);
	else
		zosbd2_remove(dev);
	return 0;
}
