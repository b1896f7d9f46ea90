/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What Windows lacks of POSIX, as far as Quern uses it. The headers beside this one stand before the compiler's and give
 * these functions their POSIX names; the rest of the library knows no difference. */
#ifndef QNI_WINDOWS_POSIX_H
#define QNI_WINDOWS_POSIX_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include <pthread.h> /* struct timespec and nanosleep, wherever the header that has them */

/* As struct stat, with numbers that tell files apart, and 64-bit sizes. */
struct qni_stat {
    uint64_t st_dev, st_ino;
    int64_t st_size;
    unsigned short st_mode;
    time_t st_mtime;
    struct timespec st_mtim;
};

int qni_stat(const char *path, struct qni_stat *out);
int qni_fstat(int fd, struct qni_stat *out);
int qni_futimens(int fd, const struct timespec times[2]); /* NULL alone: now */
int qni_mkdir(const char *path);
int qni_open(const char *path, int flags, ...);
int qni_rename(const char *from, const char *to);
int qni_flock(int fd, int how); /* the lock goes with the descriptor */
int qni_ftruncate(int fd, int64_t bytes);
ssize_t qni_pread(int fd, void *to, size_t bytes, int64_t offset);
ssize_t qni_pwrite(int fd, const void *from, size_t bytes, int64_t offset);
long qni_sysconf(int name);

int qni_setenv(const char *name, const char *value, int replace);
int qni_unsetenv(const char *name);
char *qni_strcasestr(const char *in, const char *what);

void *qni_dlopen(const char *name, int flags);
void *qni_dlsym(void *library, const char *name);
int qni_dlclose(void *library);
const char *qni_dlerror(void);

#endif
