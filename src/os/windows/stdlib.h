/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_WINDOWS_STDLIB_H
#define QNI_WINDOWS_STDLIB_H

#include_next <stdlib.h>

#include "posix.h"

#define setenv   qni_setenv
#define unsetenv qni_unsetenv
#define realpath(path, real) _fullpath(real, path, PATH_MAX)

#endif
