/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_WINDOWS_SYS_FILE_H
#define QNI_WINDOWS_SYS_FILE_H

#include "../posix.h"

#define LOCK_EX 2
#define LOCK_NB 4

#define flock qni_flock

#endif
