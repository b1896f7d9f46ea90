/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_WINDOWS_UNISTD_H
#define QNI_WINDOWS_UNISTD_H

#include_next <unistd.h>

#include "posix.h"

#define _SC_NPROCESSORS_ONLN 1

#undef ftruncate
#define fsync     _commit
#define pread     qni_pread
#define pwrite    qni_pwrite
#define sysconf   qni_sysconf
#define ftruncate qni_ftruncate

#endif
