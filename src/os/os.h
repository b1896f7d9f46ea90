/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What differs between systems and is no function; windows/ holds the functions that Windows lacks. */
#ifndef QNI_OS_H
#define QNI_OS_H

/* Characters that end the folder in a path, and what the OpenCL library is called. */
#if defined(_WIN32)
#define QNI_SEPARATORS "/\\:"
#define QNI_OPENCL     "OpenCL.dll"
#elif defined(__APPLE__)
#define QNI_SEPARATORS "/"
#define QNI_OPENCL     "/System/Library/Frameworks/OpenCL.framework/OpenCL"
#else
#define QNI_SEPARATORS "/"
/* What every Linux and BSD loader installs; the plain name belongs to the development package. */
#define QNI_OPENCL     "libOpenCL.so.1", "libOpenCL.so"
#endif

#endif
