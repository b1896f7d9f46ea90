/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_WINDOWS_DLFCN_H
#define QNI_WINDOWS_DLFCN_H

#include "posix.h"

#define RTLD_NOW      0
#define RTLD_LAZY     0
#define RTLD_LOCAL    0
#define RTLD_NODELETE 1 /* one reference is never given back */

#define dlopen  qni_dlopen
#define dlsym   qni_dlsym
#define dlclose qni_dlclose
#define dlerror qni_dlerror

#endif
