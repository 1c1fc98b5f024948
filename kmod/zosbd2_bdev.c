// SPDX-License-Identifier: GPL-2.0-only
/*
 * zosbd2: the block device as its openers see it.
 */
#include <linux/capability.h>
#include <linux/hdreg.h>
#include <linux/module.h>

#include "zosbd2.h"

/* Heads and sectors of the geometry that we make up: cylinders of 1 MiB. */
#define ZOSBD2_GEO_HEADS	64
#define ZOSBD2_GEO_SECTORS	32

static int zosbd2_bdev_open(struct gendisk *disk, blk_mode_t mode)
{
	return zosbd2_client_open(disk->private_data, mode & BLK_OPEN_WRITE);
}

BDEV_OP_OPEN(zosbd2_bdev_open)

static void zosbd2_bdev_release(struct gendisk *disk)
{
	zosbd2_client_release(disk->private_data);
}

BDEV_OP_RELEASE(zosbd2_bdev_release)

/* The disk may be dead already: its openers still learn so from here. */
static int zosbd2_bdev_ioctl(struct block_device *bdev, blk_mode_t mode,
			     unsigned int cmd, unsigned long arg)
{
	struct zosbd2_device *dev = bdev->bd_disk->private_data;

	switch (cmd) {
	case ZOSBD2_IOCTL_DEVICE_PING:
	case ZOSBD2_IOCTL_DEVICE_OPERATION:
		break;
	default:
		return -ENOTTY;
	}

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (cmd == ZOSBD2_IOCTL_DEVICE_PING)
		return READ_ONCE(dev->gone) ? -ENOENT : 0;
	if (!(mode & BLK_OPEN_WRITE))
		return -EBADF;
	/* A classic server does not know the requests that it would get. */
	if (dev->features & ZOSBD2_FEATURES_OF_SERVER ||
	    dev->block_size != ZOSBD2_BLOCK_SIZE ||
	    !zosbd2_dev_is_classic(dev))
		return -EOPNOTSUPP;
	return zosbd2_serve(dev, NULL, (void __user *)arg);
}

static int zosbd2_bdev_getgeo(struct gendisk *disk, struct hd_geometry *geo)
{
	sector_t cylinders = get_capacity(disk);

	sector_div(cylinders, ZOSBD2_GEO_HEADS * ZOSBD2_GEO_SECTORS);
	geo->heads = ZOSBD2_GEO_HEADS;
	geo->sectors = ZOSBD2_GEO_SECTORS;
	geo->cylinders = min_t(sector_t, cylinders, U16_MAX);
	return 0;
}

BDEV_OP_GETGEO(zosbd2_bdev_getgeo)

/* Only for disks that were added; the last opener has closed by then. */
static void zosbd2_bdev_free_disk(struct gendisk *disk)
{
	zosbd2_dev_put(disk->private_data);
}

/*
 * No compat_ioctl: the layouts of 32-bit processes differ, and without it
 * they get ENOTTY.
 */
const struct block_device_operations zosbd2_bdev_ops = {
	.owner		= THIS_MODULE,
	.open		= BDEV_OP_6_5(zosbd2_bdev_open),
	.release	= BDEV_OP_6_5(zosbd2_bdev_release),
	.ioctl		= zosbd2_bdev_ioctl,
	.getgeo		= BDEV_OP_6_18(zosbd2_bdev_getgeo),
	.free_disk	= zosbd2_bdev_free_disk,
};
