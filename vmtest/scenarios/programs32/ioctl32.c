// SPDX-License-Identifier: MIT
/*
 * Make ioctls as a 32-bit process: pairs of a descriptor and a number come in,
 * results go out.  The argument is memory that must stay as it is.
 */

#define SYS_EXIT	1
#define SYS_READ	3
#define SYS_WRITE	4
#define SYS_IOCTL	54

#define FILLER		0x5a

static unsigned char memory[8192];

static int call(int number, unsigned int a, unsigned int b, unsigned int c)
{
	int result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(a), "c"(b), "d"(c)
			 : "memory");
	return result;
}

static int is_untouched(void)
{
	unsigned int i;

	for (i = 0; i < sizeof(memory); i++)
		if (memory[i] != FILLER)
			return 0;
	return 1;
}

void _start(void);

void _start(void)
{
	unsigned int pair[2], i;
	int result, status = 0;

	for (i = 0; i < sizeof(memory); i++)
		((volatile unsigned char *)memory)[i] = FILLER;
	while (call(SYS_READ, 0, (unsigned int)pair, sizeof(pair)) ==
	       sizeof(pair)) {
		result = call(SYS_IOCTL, pair[0], pair[1],
			      (unsigned int)memory);
		call(SYS_WRITE, 1, (unsigned int)&result, sizeof(result));
		if (!is_untouched())
			status = 1;
	}
	call(SYS_EXIT, status, 0, 0);
}
