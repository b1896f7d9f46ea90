/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_DATA_FEATURES_H
#define QNI_DATA_FEATURES_H

#include "data/sound/sound.h"

qn_features *qni_features_retain(qn_features *f);
/* What they were created with, the defaults filled in; its context is not held. */
const qn_features_opt *qni_features_opt(const qn_features *f);

#endif
