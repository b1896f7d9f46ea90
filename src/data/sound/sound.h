/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What the parts of sound share: Fourier transforms and Butterworth filters, in double. */
#ifndef QNI_DATA_SOUND_H
#define QNI_DATA_SOUND_H

#include <quern/data_sound.h>

#include "base/base.h"

#define QNI_PI 3.14159265358979323846

/* ---- fft.c ---- */

struct qni_fft; /* read-only once it is made */

/* A transform of n real numbers, n from 1 to 2^24. */
qn_status qni_fft_create(struct qni_fft **out, const qn_context *ctx, int64_t n);
void qni_fft_destroy(struct qni_fft **fft, const qn_context *ctx);
/* Doubles of scratch that a transform needs. */
size_t qni_fft_scratch(const struct qni_fft *fft);
/* out[k] = sum over j of in[j] exp(-2 pi i j k / n), k = 0 to n/2: real and imaginary parts in turn. */
void qni_fft_run(const struct qni_fft *fft, double *out, const double *in, double *scratch);

/* ---- window.c: checks that other parts make as well ---- */

qn_status qni_sound_check(const float *out, const float *in, int64_t samples);

#endif
