/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QUERN_EXPORT_H
#define QUERN_EXPORT_H

#if defined(_WIN32) && defined(QN_BUILD)
#define QN_API __declspec(dllexport)
#elif defined(__GNUC__) && !defined(_WIN32)
#define QN_API __attribute__((visibility("default")))
#else
#define QN_API
#endif

#ifdef __cplusplus
#define QN_BEGIN_DECLS extern "C" {
#define QN_END_DECLS }
#else
#define QN_BEGIN_DECLS
#define QN_END_DECLS
#endif

#endif
