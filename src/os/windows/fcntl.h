/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_WINDOWS_FCNTL_H
#define QNI_WINDOWS_FCNTL_H

#include "posix.h"

#include_next <fcntl.h>

/* A file opened here may be renamed and removed by others, as elsewhere; its bytes are never translated. */
#define O_CLOEXEC   (_O_NOINHERIT | _O_BINARY)
#define O_NONBLOCK  0
#define O_NOFOLLOW  0
#define AT_SYMLINK_NOFOLLOW 0
#define O_DIRECTORY 0x40000000 /* is refused: folders are not opened, and need not be flushed */

#define open qni_open

#endif
