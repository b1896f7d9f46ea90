/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_WINDOWS_STDIO_H
#define QNI_WINDOWS_STDIO_H

#include_next <stdio.h>

#include "posix.h"

#define rename qni_rename /* replaces what has that name */

#endif
