/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_WINDOWS_STRING_H
#define QNI_WINDOWS_STRING_H

#include_next <string.h>

#include "posix.h"

#define strcasestr qni_strcasestr

#endif
