/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_DATA_FEATURES_H
#define QNI_DATA_FEATURES_H

#include "data/sound/sound.h"

qn_features *qni_features_retain(qn_features *f);

#endif
