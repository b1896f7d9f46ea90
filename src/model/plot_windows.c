/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Programs are not started on Windows: there are no curves. */
#include "model/model.h"

qn_status qn_history_plot(const qn_model *m, const char *path)
{
    if (!m || !path)
        return qni_error(QN_E_ARG, "m or path is NULL");
    return qni_error(QN_E_UNSUPPORTED, "curves are drawn by gnuplot, which is not started on Windows");
}
