// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: who has a device open.
 *
 * A server of the classic protocol holds the block device open for as long as
 * it serves, so the plain number of openers does not tell whether somebody
 * uses the device.  Opens are therefore counted by process, and a process is
 * marked as a server when one of its threads serves.  The kernel does not say
 * which open it is that gets released, and another process than the opener
 * may do it (a mount is opened by mount and released by umount), so a release
 * by a process that opened nothing is taken from a process that has died, and
 * else from another: see zosbd2_opener_of_release().  A wrong guess can make a
 * device look used that is not, until its servers close it; a file system, or
 * whoever else has claimed the device, always counts as a user.
 *
 * A file that is closed amid I/O is released by a kernel thread, see
 * zosbd2_request.c, whoever had opened it.  A server that has fewer files of the
 * device than opens is then charged with it: it looks as if that were the one,
 * and if not, the device only looks used.
 *
 * A server that opened the device is not taken to have closed it while its
 * record says that it has it open, which it may be about to; nor is any while
 * it has a file to serve through, which is looked for when one of its threads
 * releases the device.  Threads are taken to share their files.  What goes
 * unnoticed is that another process closes the last file of a server.
 *
 * The list is under dev->lock; opens and releases are besides serialised by
 * disk->open_mutex.
 */
#include <linux/blkdev.h>
#include <linux/fdtable.h>
#include <linux/fs.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "zosbd2.h"

/**
 * struct zosbd2_opener - a process that has a device open
 * @node: on zosbd2_device.openers
 * @tgid: the process
 * @opens: how often
 * @server: one of its threads serves
 * @writable: it has opened for writing at some time
 */
struct zosbd2_opener {
	struct list_head node;
	struct pid *tgid;
	unsigned int opens;
	bool server;
	bool writable;
};

/**
 * zosbd2_pid_is_alive - is there a task of this number
 * @pid: the number
 * @type: of what
 *
 * Return: whether there is.
 */
bool zosbd2_pid_is_alive(struct pid *pid, enum pid_type type)
{
	bool alive;

	rcu_read_lock();
	alive = pid_task(pid, type);
	rcu_read_unlock();
	return alive;
}

static struct zosbd2_opener *zosbd2_opener_find(struct zosbd2_device *dev,
						struct pid *tgid)
	__must_hold(&dev->lock)
{
	struct zosbd2_opener *opener;

	list_for_each_entry(opener, &dev->openers, node)
		if (opener->tgid == tgid)
			return opener;
	return NULL;
}

static void zosbd2_opener_free(struct zosbd2_opener *opener)
{
	if (!opener)
		return;
	put_pid(opener->tgid);
	kfree(opener);
}

/**
 * zosbd2_client_open - count an open
 * @dev: the device
 * @writable: it is open for writing
 *
 * Return: 0, -EBUSY while a destroy writes the device back, -ENXIO when it is
 * being removed, or -ENOMEM.
 */
int zosbd2_client_open(struct zosbd2_device *dev, bool writable)
{
	struct zosbd2_opener *opener, *spare;
	unsigned int noio;
	int ret = 0;

	/* A server must not be made to wait for its own device here. */
	noio = memalloc_noio_save();
	spare = kzalloc_obj(*spare, GFP_KERNEL);
	memalloc_noio_restore(noio);
	if (!spare)
		return -ENOMEM;
	spare->tgid = get_pid(task_tgid(current));

	spin_lock(&dev->lock);
	if (dev->state == ZOSBD2_DEV_SYNCING) {
		ret = -EBUSY;
		goto out_unlock;
	}
	if (dev->state == ZOSBD2_DEV_REMOVING) {
		ret = -ENXIO;
		goto out_unlock;
	}
	opener = zosbd2_opener_find(dev, spare->tgid);
	if (!opener) {
		opener = spare;
		spare = NULL;
		list_add(&opener->node, &dev->openers);
		dev->opener_changes++;
	}
	opener->opens++;
	opener->writable |= writable;
	dev->opens++;
out_unlock:
	spin_unlock(&dev->lock);
	zosbd2_opener_free(spare);
	return ret;
}

/* The mapping of an open node is that of the block device. */
static bool zosbd2_file_is_of(const struct gendisk *disk,
			      const struct file *file)
{
	return !(file->f_mode & FMODE_PATH) &&
	       S_ISBLK(file_inode(file)->i_mode) &&
	       I_BDEV(file->f_mapping->host)->bd_disk == disk;
}

/* So many files are told apart. */
#define ZOSBD2_CENSUS	16

/**
 * struct zosbd2_census - what files of a disk a process has
 * @disk: the disk
 * @limit: stop at so many
 * @count: how many were found
 * @files: these; two descriptors can be of one file
 */
struct zosbd2_census {
	const struct gendisk *disk;
	unsigned int limit;
	unsigned int count;
	const struct file *files[ZOSBD2_CENSUS];
};

static int zosbd2_census_file(const void *arg, struct file *file,
			      unsigned int fd)
{
	struct zosbd2_census *census = (void *)arg;
	unsigned int i;

	if (!zosbd2_file_is_of(census->disk, file))
		return 0;
	for (i = 0; i < census->count; i++)
		if (census->files[i] == file)
			return 0;
	census->files[census->count++] = file;
	return census->count == census->limit;
}

/*
 * Has a server fewer files of the device than it opened?  One that has opened
 * it once has passed that file to those who serve, if it does not itself.
 */
static bool zosbd2_opener_lacks_file(struct zosbd2_device *dev,
				     const struct zosbd2_opener *opener)
	__must_hold(&dev->lock)
{
	struct zosbd2_census census = {
		.disk = dev->disk, .limit = opener->opens,
	};
	struct task_struct *leader, *task;
	bool known = false;

	if (!opener->server || opener->opens < 2 ||
	    opener->opens > ZOSBD2_CENSUS)
		return false;
	rcu_read_lock();
	leader = pid_task(opener->tgid, PIDTYPE_TGID);
	if (leader) {
		/* The first threads may have exited, and have none then. */
		for_each_thread(leader, task) {
			task_lock(task);
			known = task->files;
			if (known)
				iterate_fd(task->files, 0, zosbd2_census_file,
					   &census);
			task_unlock(task);
			if (known)
				break;
		}
	}
	rcu_read_unlock();
	return known && census.count < census.limit;
}

/*
 * Who is charged with a release by somebody who opened nothing: the dead come
 * first, since what they had open is all that others can close without having
 * been given it; among the living a server comes last, unless it seems to
 * have closed one.
 */
static struct zosbd2_opener *
zosbd2_opener_of_release(struct zosbd2_device *dev)
	__must_hold(&dev->lock)
{
	struct zosbd2_opener *opener, *best;
	int rank, best_rank = -1;

	best = zosbd2_opener_find(dev, task_tgid(current));
	if (best)
		return best;

	list_for_each_entry(opener, &dev->openers, node) {
		rank = opener->server ? 0 : 1;
		if (!zosbd2_pid_is_alive(opener->tgid, PIDTYPE_TGID))
			rank += 2;
		else if (current->flags & PF_KTHREAD &&
			 zosbd2_opener_lacks_file(dev, opener))
			rank = 4;
		if (rank > best_rank) {
			best = opener;
			best_rank = rank;
		}
	}
	return best;
}

static int zosbd2_serves_through(const void *disk, struct file *file,
				 unsigned int fd)
{
	return file->f_mode & FMODE_WRITE && zosbd2_file_is_of(disk, file);
}

/* Does the calling thread have it open in a way that it can serve through? */
static bool zosbd2_client_holds(struct zosbd2_device *dev)
{
	return iterate_fd(current->files, 0, zosbd2_serves_through, dev->disk);
}

/**
 * zosbd2_client_release - count a release
 * @dev: the device
 */
void zosbd2_client_release(struct zosbd2_device *dev)
{
	struct zosbd2_opener *opener;
	bool all_closed, own_open;

	spin_lock(&dev->lock);
	all_closed = !--dev->opens;
	opener = zosbd2_opener_of_release(dev);
	if (opener) {
		opener->opens--;
		if (!opener->opens)
			list_del(&opener->node);
		else
			opener = NULL;
	}
	own_open = zosbd2_opener_find(dev, task_tgid(current));
	spin_unlock(&dev->lock);
	zosbd2_opener_free(opener);

	if (all_closed)
		zosbd2_servers_detach(dev, ZOSBD2_OF_BDEV, NULL);
	else if (!own_open && !zosbd2_client_holds(dev))
		zosbd2_servers_detach(dev, ZOSBD2_OF_BDEV_AND_TGID,
				      task_tgid(current));
}

/*
 * Before the first server attaches, a device holds nothing that could be lost.
 * Somebody who only reads and waits for a server that has not come, as udev
 * does when the node appears, is then not a user.
 */
static bool zosbd2_only_awaits_server(struct zosbd2_device *dev)
	__must_hold(&dev->lock)
{
	struct zosbd2_opener *opener;

	if (dev->ever_served ||
	    !zosbd2_queues_sum(dev, offsetof(struct zosbd2_stats, queued)) ||
	    !list_is_singular(&dev->openers))
		return false;
	opener = list_first_entry(&dev->openers, struct zosbd2_opener, node);
	return !opener->writable;
}

/**
 * zosbd2_client_in_use - does anybody but its servers have the device open
 * @dev: the device; disk->open_mutex and dev->lock held
 *
 * Return: whether somebody has.
 */
bool zosbd2_client_in_use(struct zosbd2_device *dev)
{
	struct zosbd2_opener *opener;
	unsigned int served = 0;

	if (dev->disk->part0->bd_holders)
		return true;
	list_for_each_entry(opener, &dev->openers, node)
		if (opener->server &&
		    zosbd2_pid_is_alive(opener->tgid, PIDTYPE_TGID))
			served += opener->opens;
	return dev->opens > served && !zosbd2_only_awaits_server(dev);
}

/**
 * zosbd2_client_is_server - mark the calling process as a server
 * @dev: the device, dev->lock held
 *
 * A server that inherited its open file did not open the device itself: then
 * the nearest of its ancestors that did is the one.
 */
void zosbd2_client_is_server(struct zosbd2_device *dev)
{
	struct zosbd2_opener *opener;
	struct task_struct *task;

	rcu_read_lock();
	for (task = current->group_leader; task->pid > 1;
	     task = rcu_dereference(task->real_parent)->group_leader) {
		opener = zosbd2_opener_find(dev, task_tgid(task));
		if (opener) {
			opener->server = true;
			break;
		}
	}
	rcu_read_unlock();
}

/**
 * zosbd2_client_free_all - drop all records
 * @dev: the device, of which nobody else has a reference
 */
void zosbd2_client_free_all(struct zosbd2_device *dev)
{
	struct zosbd2_opener *opener, *next;

	list_for_each_entry_safe(opener, next, &dev->openers, node)
		zosbd2_opener_free(opener);
}
