/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_WINDOWS_DIRENT_H
#define QNI_WINDOWS_DIRENT_H

#include_next <dirent.h>

#include "posix.h"

typedef DIR qni_system_dir;

/* There are no descriptors of folders: what takes one takes the folder itself. */
#define DIR                           struct qni_dir
#define opendir                       qni_opendir
#define readdir                       qni_readdir
#define closedir                      qni_closedir
#define dirfd(dir)                    (dir)
#define fstatat(dir, name, out, flag) qni_stat_in(dir, name, out)
#define unlinkat(dir, name, flag)     qni_unlink_in(dir, name)

DIR *opendir(const char *path);
struct dirent *readdir(DIR *dir);
int closedir(DIR *dir);
int qni_stat_in(DIR *dir, const char *name, struct qni_stat *out);
int qni_unlink_in(DIR *dir, const char *name);

#endif
