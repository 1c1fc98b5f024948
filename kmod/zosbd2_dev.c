// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: the life of a device, from create to destroy.
 *
 * Lifetime
 * --------
 * A device is counted by references.  The registry holds one from the moment
 * its name is reserved until its removal is over, the gendisk holds one from
 * add_disk() until ->free_disk(), that is until the last opener has closed,
 * and every caller that looked it up holds one.  Openers thus can call in at
 * any time: what they use (lock, slots, server records) lives as long as the
 * device.  Servers and sessions hold one each.
 *
 * The disk does not live as long: only the remover, its openers, and who took
 * a reference with zosbd2_get_disk() may use it.  Requests live in the tag
 * set, which the remover frees when del_gendisk() has seen the last of them
 * end; no slot has one then.
 *
 * Of all who want to destroy a device, exactly one moves it to REMOVING, and
 * that one tears it down.  Nobody can look it up from then on, but its name
 * stays reserved until the node is gone.
 *
 * Locks
 * -----
 *	disk->open_mutex
 *	  dev->lock		(spinlock, process context only)
 *	    queue->lock		(spinlock, process context only)
 *	    task_lock(), and under it files->file_lock, see zosbd2_client.c
 *	zosbd2_registry_lock	(mutex, see zosbd2_registry.c)
 *
 * The mutexes never nest, nor do two queue->lock.  queue->lock protects the
 * requests of a queue, dev->lock everything else in a device that changes.
 * Nothing sleeps under them and no request is ended under them.
 *
 * The I/O path takes queue->lock alone.  What it looks at of the device and of
 * servers (gone, lost, retired_by) is changed under dev->lock first, and then
 * each queue->lock is taken in turn: whoever had not seen the change has done
 * by then what he was about, and it is found there.  Whether a server is
 * attached changes under both: who sees that it is not finds its requests
 * dealt with.  take_over and retired_by change under dev->lock and the lock of
 * the first queue, see zosbd2_takeover.c.
 *
 * The last reference may be dropped in an SRCU callback, with bottom halves
 * off: freeing a device does not sleep.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "zosbd2.h"

/*
 * Devices whose memory is still there, and one for the module itself, which
 * waits for the others when it is unloaded.
 */
static atomic_t zosbd2_nr_allocated = ATOMIC_INIT(1);
static DECLARE_COMPLETION(zosbd2_all_freed);

static void zosbd2_dev_free(struct kref *ref)
{
	struct zosbd2_device *dev = container_of(ref, struct zosbd2_device, ref);

	zosbd2_client_free_all(dev);
	zosbd2_thread_free_all(dev);
	zosbd2_queues_free(dev);
	kvfree_rcu(dev, rcu);
	if (atomic_dec_and_test(&zosbd2_nr_allocated))
		complete(&zosbd2_all_freed);
}

/**
 * zosbd2_dev_put - drop a reference
 * @dev: the device
 */
void zosbd2_dev_put(struct zosbd2_device *dev)
{
	kref_put(&dev->ref, zosbd2_dev_free);
}

/*
 * Is the name taken by somebody else?  device_add_disk() would notice a block
 * device, but with a stack dump in the log, and not notice any other node.
 * The class is looked at because /dev may be another one in the caller's
 * mount namespace.
 */
static bool zosbd2_name_is_foreign(struct gendisk *disk)
{
	char node[sizeof("/dev/") + ZOSBD2_NAME_LEN];
	struct device *other;
	struct path path;

	other = class_find_device_by_name(disk_to_dev(disk)->class,
					  disk->disk_name);
	if (other) {
		put_device(other);
		return true;
	}
	snprintf(node, sizeof(node), "/dev/%s", disk->disk_name);
	if (kern_path(node, 0, &path))
		return false;
	path_put(&path);
	return true;
}

static struct zosbd2_device *
zosbd2_dev_alloc(const struct zosbd2_ext_create *req)
{
	/* The block layer makes no more of them either. */
	unsigned int nr_poll_queues = min(req->poll_queues, nr_cpu_ids);
	unsigned int nr_queues = min(req->queues, nr_cpu_ids) + nr_poll_queues;
	struct zosbd2_device *dev;

	dev = kvzalloc(struct_size(dev, queues, nr_queues), GFP_KERNEL);
	if (!dev)
		return NULL;
	dev->generation = 1;
	dev->nr_queues = nr_queues;
	dev->nr_poll_queues = nr_poll_queues;
	dev->queue_depth = req->queue_depth;
	dev->tag_bits = order_base_2(dev->queue_depth);
	if (zosbd2_queues_init(dev)) {
		kvfree(dev);
		return NULL;
	}
	kref_init(&dev->ref);
	spin_lock_init(&dev->lock);
	INIT_LIST_HEAD(&dev->openers);
	init_waitqueue_head(&dev->sync_wait);
	init_waitqueue_head(&dev->retired_wait);
	INIT_LIST_HEAD(&dev->servers);
	INIT_LIST_HEAD(&dev->sessions);
	hash_init(dev->threads);
	INIT_WORK(&dev->sync_work, zosbd2_sync_work);
	strscpy(dev->name, req->device_name, sizeof(dev->name));
	dev->blocks = req->number_of_blocks;
	dev->timeout_seconds = req->timeout_seconds;
	dev->max_segments = req->max_segments;
	dev->block_size = req->block_size;
	dev->physical_block_size = req->physical_block_size;
	dev->max_io_bytes = req->max_io_bytes;
	dev->io_opt = req->io_opt;
	dev->max_discard_bytes = req->max_discard_bytes;
	dev->discard_granularity = req->discard_granularity;
	dev->recovery = req->recovery;
	dev->features = req->features;
	atomic_inc(&zosbd2_nr_allocated);
	return dev;
}

static int zosbd2_dev_alloc_disk(struct zosbd2_device *dev)
{
	struct queue_limits lim = { };
	struct gendisk *disk;
	int ret;

	dev->tag_set.ops = &zosbd2_mq_ops;
	dev->tag_set.driver_data = dev;
	dev->tag_set.nr_hw_queues = dev->nr_queues;
	dev->tag_set.nr_maps = dev->nr_poll_queues ? HCTX_MAX_TYPES : 1;
	dev->tag_set.queue_depth = dev->queue_depth;
	dev->tag_set.numa_node = NUMA_NO_NODE;
	dev->tag_set.timeout = dev->timeout_seconds * HZ;
	dev->tag_set.flags = BLK_MQ_F_SHOULD_MERGE |
			     BLK_MQ_F_NO_SCHED_BY_DEFAULT;
	ret = blk_mq_alloc_tag_set(&dev->tag_set);
	if (ret)
		return ret;

	zosbd2_blk_limits(dev, &lim);
	disk = blk_mq_alloc_disk(&dev->tag_set, &lim, dev);
	if (IS_ERR(disk)) {
		blk_mq_free_tag_set(&dev->tag_set);
		return PTR_ERR(disk);
	}
	zosbd2_queue_rotational(disk->queue,
				dev->features & ZOSBD2_FEATURE_ROTATIONAL);
	zosbd2_queue_cache(disk->queue, dev->features & ZOSBD2_FEATURE_FLUSH,
			   dev->features & ZOSBD2_FEATURE_FUA);
	strscpy(disk->disk_name, dev->name, sizeof(disk->disk_name));
	/*
	 * No partitions when it is added: a scan would read from a device that
	 * nobody serves yet, and create must return for a server to start.
	 */
	disk->flags |= GENHD_FL_NO_PART;
	disk->fops = &zosbd2_bdev_ops;
	disk->private_data = dev;
	set_capacity(disk, zosbd2_sectors(dev, dev->blocks));
	set_disk_ro(disk, dev->features & ZOSBD2_FEATURE_READ_ONLY);
	dev->disk = disk;
	return 0;
}

/**
 * zosbd2_dev_is_classic - can the classic protocol serve a device
 * @dev: the device
 *
 * Return: whether it can.
 */
bool zosbd2_dev_is_classic(const struct zosbd2_device *dev)
{
	return dev->nr_queues == 1 &&
	       dev->max_io_bytes <= ZOSBD2_MAX_DATA_BYTES;
}

/**
 * zosbd2_dev_move - move a device from one state to another
 * @dev: the device
 * @from: mask of the states it may be in
 * @to: the new one
 *
 * Return: false if it was in none of them.
 */
bool zosbd2_dev_move(struct zosbd2_device *dev, unsigned int from,
		     enum zosbd2_dev_state to)
{
	bool moved;

	spin_lock(&dev->lock);
	moved = from & BIT(dev->state);
	if (moved)
		WRITE_ONCE(dev->state, to);
	spin_unlock(&dev->lock);
	return moved;
}

/**
 * zosbd2_dev_create - create a device
 * @req: what it shall be like, checked
 * @handle_id: set to its handle on success
 *
 * Return: 0, -EEXIST if the name is in use, -EINVAL if there are as many
 * devices as there may be, -ENOMEM, or what the block layer says.
 */
int zosbd2_dev_create(const struct zosbd2_ext_create *req, u32 *handle_id)
{
	struct zosbd2_device *dev;
	int ret;

	dev = zosbd2_dev_alloc(req);
	if (!dev)
		return -ENOMEM;
	ret = zosbd2_registry_add(dev);
	if (ret)
		goto out_put;
	ret = zosbd2_dev_alloc_disk(dev);
	if (ret)
		goto out_unregister;
	ret = -EEXIST;
	if (zosbd2_name_is_foreign(dev->disk))
		goto out_put_disk;

	/* The disk's own reference, for ->free_disk(). */
	kref_get(&dev->ref);
	ret = device_add_disk(NULL, dev->disk, zosbd2_stats_groups);
	if (ret) {
		zosbd2_dev_put(dev);
		goto out_put_disk;
	}

	if (dev->features & ZOSBD2_FEATURE_PARTITIONS)
		dev->disk->flags &= ~GENHD_FL_NO_PART;
	*handle_id = dev->handle_id;
	pr_info("%s: created, handle %u, %llu blocks of %u bytes\n", dev->name,
		dev->handle_id, dev->blocks, dev->block_size);
	zosbd2_dev_move(dev, BIT(ZOSBD2_DEV_CREATING), ZOSBD2_DEV_LIVE);
	zosbd2_dev_put(dev);
	return 0;

out_put_disk:
	put_disk(dev->disk);
	blk_mq_free_tag_set(&dev->tag_set);
out_unregister:
	zosbd2_registry_remove(dev);
out_put:
	zosbd2_dev_put(dev);
	return ret;
}

/**
 * zosbd2_get_disk - get the disk of a device that was looked up
 * @dev: the device
 *
 * The remover, who drops it, has to leave the states in which this succeeds
 * first.
 *
 * Return: the disk, to be put; NULL if the device is being removed.
 */
struct gendisk *zosbd2_get_disk(struct zosbd2_device *dev)
{
	struct gendisk *disk = NULL;

	spin_lock(&dev->lock);
	if (dev->state != ZOSBD2_DEV_REMOVING) {
		disk = dev->disk;
		get_device(disk_to_dev(disk));
	}
	spin_unlock(&dev->lock);
	return disk;
}

/**
 * zosbd2_dev_blocks - how large a device is now
 * @dev: the device
 *
 * Return: its size in its blocks.
 */
u64 zosbd2_dev_blocks(struct zosbd2_device *dev)
{
	u64 blocks;

	spin_lock(&dev->lock);
	blocks = dev->blocks;
	spin_unlock(&dev->lock);
	return blocks;
}

/**
 * zosbd2_dev_resize - make a device larger, or smaller
 * @dev: the device, of which the caller holds a reference
 * @blocks: its new size, checked
 *
 * Return: 0; -EBUSY if it would shrink and anybody but its servers has it
 * open, or if it is being destroyed; -ENOENT if it is gone; -ERESTARTSYS.
 */
int zosbd2_dev_resize(struct zosbd2_device *dev, u64 blocks)
{
	struct gendisk *disk;
	bool shrinks;
	int ret = 0;

	disk = zosbd2_get_disk(dev);
	if (!disk)
		return -ENOENT;
	if (mutex_lock_interruptible(&disk->open_mutex)) {
		put_disk(disk);
		return -ERESTARTSYS;
	}
	spin_lock(&dev->lock);
	shrinks = blocks < dev->blocks;
	if (dev->state == ZOSBD2_DEV_REMOVING)
		ret = -ENOENT;
	else if (dev->state == ZOSBD2_DEV_SYNCING ||
		 (shrinks && zosbd2_client_in_use(dev)))
		ret = -EBUSY;
	else
		WRITE_ONCE(dev->blocks, blocks);
	spin_unlock(&dev->lock);
	/* The next opener finds no partition that lies behind the end. */
	if (!ret && shrinks && dev->features & ZOSBD2_FEATURE_PARTITIONS)
		set_bit(GD_NEED_PART_SCAN, &disk->state);
	/* Under the mutex, so that two of these cannot cross. */
	if (!ret)
		set_capacity_and_notify(disk, zosbd2_sectors(dev, blocks));
	mutex_unlock(&disk->open_mutex);
	put_disk(disk);
	return ret;
}

/**
 * zosbd2_dev_init - make what all devices share
 *
 * Return: 0 or -ENOMEM.
 */
int zosbd2_dev_init(void)
{
	int ret;

	zosbd2_sync_wq = alloc_workqueue("zosbd2", WQ_UNBOUND, 0);
	if (!zosbd2_sync_wq)
		return -ENOMEM;
	ret = zosbd2_server_init();
	if (ret)
		destroy_workqueue(zosbd2_sync_wq);
	return ret;
}

/**
 * zosbd2_dev_exit - destroy all devices, and what they share
 *
 * Nobody has one open or can call in any more.  Somebody may still hold a
 * reference to a disk for a moment.
 */
void zosbd2_dev_exit(void)
{
	struct zosbd2_device_list list;
	struct zosbd2_device *dev;
	u32 i;

	zosbd2_dev_list(&list);
	for (i = 0; i < list.num_devices; i++) {
		dev = zosbd2_dev_get_by_id(list.handle_id[i]);
		if (!dev)
			continue;
		zosbd2_dev_destroy_forced(dev);
		zosbd2_dev_put(dev);
	}
	if (!atomic_dec_and_test(&zosbd2_nr_allocated))
		wait_for_completion(&zosbd2_all_freed);
	/* A dispatch that woke a server may still be on its way out. */
	synchronize_rcu();
	/* As may, preempted, who put the last reference to a disk. */
	synchronize_rcu_tasks();
	zosbd2_server_exit();
	destroy_workqueue(zosbd2_sync_wq);
}
