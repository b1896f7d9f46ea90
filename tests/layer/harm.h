/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What a driver does that is worse than an error: it crashes, hangs, computes wrongly, or cannot build what it should. */
#ifndef HARM_H
#define HARM_H

#include <CL/cl_layer.h>

#include "layer.h"

/* What is done, in place of what was planned before: layer.h has the words. */
void harm_plan(const char *text, const char *const names[LAYER_CALLS]);

/* What there is; nothing is remembered while nothing is planned. */
void harm_note_program(cl_program p, cl_uint n, const char **text, const size_t *bytes);
void harm_note_kernel(cl_kernel k, cl_program p, const char *name);
void harm_note_buffer(cl_mem m);
void harm_note_arg(cl_kernel k, cl_uint index, size_t bytes, const void *value);

/* A call begins; p or k where it is about one. It may not come back. The error it must return, or CL_SUCCESS. */
cl_int harm_call(enum layer_call call, cl_program p, cl_kernel k);

/* clEnqueueNDRangeKernel. */
cl_int harm_launch(const cl_icd_dispatch *next, cl_command_queue q, cl_kernel k, cl_uint dims, const size_t *offset,
                   const size_t *global, const size_t *local, cl_uint waits, const cl_event *wait, cl_event *event);

#endif
