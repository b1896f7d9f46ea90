/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_WINDOWS_SYS_STAT_H
#define QNI_WINDOWS_SYS_STAT_H

/* Before their names become ours. */
#include <io.h>
#include <stdio.h>
#include <sys/types.h>
#include <wchar.h>
#include_next <sys/stat.h>

#include "../posix.h"

#define S_ISLNK(mode) 0

#undef stat
#undef fstat
#define stat            qni_stat
#define fstat           qni_fstat
#define lstat           qni_stat
#define futimens        qni_futimens
#define fchmod(fd, mode) ((void)(mode), 0)
#define mkdir(path, mode) qni_mkdir(path)

#endif
