/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <stdio.h>

#include <quern/version.h>

#include "base/base.h"

/* The only mutable global: one line for each thread. */
static _Thread_local char message[1024];

const char *qn_version(void)
{
    return QN_VERSION_STRING;
}

const char *qn_status_name(qn_status status)
{
    switch (status) {
    case QN_OK: return "QN_OK";
    case QN_E_ARG: return "QN_E_ARG";
    case QN_E_SHAPE: return "QN_E_SHAPE";
    case QN_E_STATE: return "QN_E_STATE";
    case QN_E_HOST_MEMORY: return "QN_E_HOST_MEMORY";
    case QN_E_DEVICE_MEMORY: return "QN_E_DEVICE_MEMORY";
    case QN_E_NO_DEVICE: return "QN_E_NO_DEVICE";
    case QN_E_DEVICE_LOST: return "QN_E_DEVICE_LOST";
    case QN_E_DEVICE: return "QN_E_DEVICE";
    case QN_E_BUILD: return "QN_E_BUILD";
    case QN_E_IO: return "QN_E_IO";
    case QN_E_FORMAT: return "QN_E_FORMAT";
    case QN_E_UNSUPPORTED: return "QN_E_UNSUPPORTED";
    case QN_E_CANCELLED: return "QN_E_CANCELLED";
    case QN_E_INTERNAL: return "QN_E_INTERNAL";
    }
    return "unknown status";
}

const char *qn_last_error(void)
{
    return message;
}

qn_status qn_error_set(qn_status status, const char *text)
{
    return qni_error(status, "%s", text ? text : "");
}

qn_status qni_error(qn_status status, const char *format, ...)
{
    char line[sizeof(message)]; /* an argument may be the old message */
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    for (char *c = line; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    memcpy(message, line, sizeof(line));
    return status;
}

void qni_error_prefix(const char *format, ...)
{
    char line[sizeof(message)];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(line))
        return;
    snprintf(line + n, sizeof(line) - (size_t)n, "%s", message);
    memcpy(message, line, sizeof(line));
}

void qni_error_take(char *text, size_t bytes)
{
    if (bytes)
        snprintf(text, bytes, "%s", message);
}

void qni_error_put(const char *text)
{
    qni_error(QN_OK, "%s", text);
}
