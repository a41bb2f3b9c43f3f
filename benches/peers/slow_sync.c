/* Makes every sync one millisecond longer, as on a drive without power-loss protection. Loaded before libc. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static void pause_for_a_millisecond(void)
{
    struct timespec left = { 0, 1000000 };
    nanosleep(&left, 0);
}

int fdatasync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    pause_for_a_millisecond();
    return real(fd);
}

int fsync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    pause_for_a_millisecond();
    return real(fd);
}
