// SPDX-License-Identifier: GPL-2.0-only
/* A defect for each check of the module; nothing loads it. */
#include <linux/module.h>
#include <linux/slab.h>

/* sparse: bytes in the wrong order, and memory of userspace in a kernel's hands. */
__le32 broken_order(u32 native);
__le32 broken_order(u32 native)
{
	return native;
}

int broken_space(const int __user *value);
int broken_space(const int __user *value)
{
	return *value;
}

/* gcc W=1: a variable that is set and not used, a function that nobody declared. */
int broken_declaration(void)
{
	int unused;

	unused = 1;
	return 0;
}

/* clang: a logical operator where a bitwise one was meant, of which gcc says nothing. */
bool broken_mask(unsigned int bits);
bool broken_mask(unsigned int bits)
{
	return (bits && 4);
}

/**
 * broken_doc - kernel-doc: one parameter has no description
 * @first: has one
 */
void broken_doc(int first, int second);
void broken_doc(int first, int second)
{
}

/* coccinelle: used after it was freed. checkpatch: a brace, and blanks. */
int broken_free(int *value);
int broken_free(int *value) {
    kfree(value);
	return *value;
}

MODULE_DESCRIPTION("broken");
MODULE_LICENSE("GPL");
