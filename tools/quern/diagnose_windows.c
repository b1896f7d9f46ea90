/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "diagnose.h"

void diagnose(struct diagnosis *d)
{
    d->findings++;
    if (d->loader)
        fprintf(d->out, "OpenCL.dll is there, but no driver shows a device that can be used\n"
                        "  install your GPU's driver, or PoCL or Intel's runtime for CPUs; drivers are listed in the registry,\n"
                        "  under HKEY_LOCAL_MACHINE\\SOFTWARE\\Khronos\\OpenCL\\Vendors\n");
    else
        fprintf(d->out, "OpenCL.dll is not there\n"
                        "  it comes with every GPU's driver, and with OpenCL runtimes for CPUs: install one\n");
}
