/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_STEP_H
#define QNI_STEP_H

#include <stdint.h>

/* Words of the block the host writes before each step, and of the one the device keeps: as cl/common/step.clh. */
enum qni_step_word {
    QNI_STEP_LR, QNI_STEP_ROWS, QNI_STEP_SAMPLE_LO, QNI_STEP_SAMPLE_HI, QNI_STEP_POSITION, QNI_STEP_SEED_LO,
    QNI_STEP_SEED_HI, QNI_STEP_NUMBER
};

enum qni_device_word { QNI_DEVICE_ITERATION, QNI_DEVICE_SCALE, QNI_DEVICE_FINITE };

/* Both blocks have this many 32-bit words (QNI_STEP_WORDS of ops/primitive.h). */
#define QNI_BLOCK_WORDS 16

#endif
