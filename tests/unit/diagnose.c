/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Why there is no device, on systems that are folders made here. */
#include "../../tools/quern/diagnose.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ICD    "/etc/OpenCL/vendors/"
#define GPU    "/sys/bus/pci/devices/0000:01:00.0/"
#define NOTHING "the drivers load, and no device is shut off from this user"

static char root[64];
static const char *refused; /* a part of the path that access() refuses; root may do everything */

static int pretend(const char *path, int mode)
{
    return mode != F_OK && refused && strstr(path, refused) ? -1 : access(path, mode);
}

/* "PATH=CONTENT", folders made on the way. */
static void make(const char *file)
{
    char path[512];
    const char *content = strchr(file, '=');
    FILE *f;

    snprintf(path, sizeof(path), "%s%.*s", root, (int)(content - file), file);
    for (char *c = path + strlen(root) + 1; (c = strchr(c, '/')); *c++ = '/') {
        *c = '\0';
        mkdir(path, 0700);
    }
    if (path[strlen(path) - 1] == '/')
        return;
    f = fopen(path, "w");
    CHECK(f && fputs(content + 1, f) >= 0 && fclose(f) == 0);
}

static const struct system {
    const char *name;
    const char *files[6];
    const char *variable[2]; /* "NAME=VALUE" */
    bool no_loader;
    const char *refused;
    const char *says[4];     /* what it must say; nothing else is a finding */
} systems[] = {
    { "no loader", { ICD "a.icd=libm.so.6" }, { NULL }, true, NULL, { "no OpenCL loader", "ocl-icd-libopencl1" } },
    { "another loader", { ICD "a.icd=libm.so.6" }, { "QUERN_OPENCL_LIBRARY=/x/y.so" }, true, NULL,
      { "QUERN_OPENCL_LIBRARY is /x/y.so", "unset QUERN_OPENCL_LIBRARY" } },
    { "no folder of drivers", { "/etc/=" }, { NULL }, false, NULL,
      { "no OpenCL driver is installed", "is not there", "pocl-opencl-icd" } },
    { "no driver", { ICD "readme=hello" }, { NULL }, false, NULL, { "no OpenCL driver is installed", "has no .icd file" } },
    { "all is well", { ICD "a.icd=libm.so.6\n" }, { NULL }, false, NULL, { NOTHING, "install another driver" } },
    { "a library that is gone", { ICD "a.icd=/usr/lib/gone.so\n", ICD "b.icd=libm.so.6" }, { NULL }, false, NULL,
      { "a.icd: the driver's library does not load", "gone.so: cannot open", "install the driver anew" } },
    { "a library that is none", { ICD "a.icd=/usr/lib/text.so", "/usr/lib/text.so=hello" }, { NULL }, false, NULL,
      { "does not load", "text.so" } },
    { "an empty .icd file", { ICD "a.icd=" }, { NULL }, false, NULL, { "a.icd is empty", "install its driver anew" } },
    { "an .icd file nobody may read", { ICD "a.icd=libm.so.6" }, { NULL }, false, "a.icd", { "a.icd cannot be read" } },
    { "OCL_ICD_VENDORS: nothing there", { ICD "a.icd=libm.so.6" }, { "OCL_ICD_VENDORS=/nowhere" }, false, NULL,
      { "OCL_ICD_VENDORS is /nowhere, which is not there", "unset OCL_ICD_VENDORS" } },
    { "OCL_ICD_VENDORS: an empty folder", { ICD "a.icd=libm.so.6", "/drivers/=" }, { "OCL_ICD_VENDORS=/drivers" }, false, NULL,
      { "/drivers, a folder without an .icd file", "unset OCL_ICD_VENDORS" } },
    { "OCL_ICD_VENDORS: no such name", { ICD "a.icd=libm.so.6" }, { "OCL_ICD_VENDORS=b.icd" }, false, NULL,
      { "OCL_ICD_VENDORS is b.icd, which is not there" } },
    { "OCL_ICD_VENDORS: a name", { ICD "a.icd=/usr/lib/gone.so" }, { "OCL_ICD_VENDORS=a.icd" }, false, NULL,
      { "a.icd: the driver's library does not load" } },
    { "OCL_ICD_VENDORS: one of several", { ICD "a.icd=libm.so.6", ICD "b.icd=libm.so.6" }, { "OCL_ICD_VENDORS=a.icd" }, false,
      NULL, { "other drivers are not asked", "unset it" } },
    { "OCL_ICD_VENDORS: a library", { ICD "a.icd=libm.so.6" }, { "OCL_ICD_VENDORS=libgone.so" }, false, NULL,
      { "OCL_ICD_VENDORS: the driver's library does not load: libgone.so" } },
    { "OPENCL_VENDOR_PATH", { ICD "a.icd=libm.so.6" }, { "OPENCL_VENDOR_PATH=/nowhere" }, false, NULL,
      { "OPENCL_VENDOR_PATH is", "a folder that cannot be read", "unset OPENCL_VENDOR_PATH" } },
    { "OCL_ICD_FILENAMES", { ICD "a.icd=libm.so.6" }, { "OCL_ICD_FILENAMES=libm.so.6:libgone.so" }, false, NULL,
      { "OCL_ICD_FILENAMES: the driver's library does not load: libgone.so" } },
    { "a render node without permission", { ICD "a.icd=libm.so.6", "/dev/dri/renderD128=", "/dev/dri/card0=" }, { NULL }, false,
      "renderD128", { "/dev/dri/renderD128: no permission" } },
    { "/dev/kfd without permission", { ICD "a.icd=libm.so.6", "/dev/kfd=" }, { NULL }, false, "kfd",
      { "/dev/kfd: no permission" } },
    { "NVIDIA's node without permission", { ICD "a.icd=libm.so.6", "/dev/nvidia0=", "/dev/nvidia-caps=" }, { NULL }, false,
      "/dev/nvidia", { "/dev/nvidia0: no permission" } },
    { "a container without the GPU", { ICD "nvidia.icd=libnvidia-opencl.so.1.none", "/.dockerenv=", GPU "class=0x030200\n",
      GPU "vendor=0x10de\n" }, { NULL }, false, NULL, { "does not load", "this container is not given it", "--gpus all" } },
    { "Podman, AMD", { ICD "a.icd=libm.so.6", "/run/.containerenv=", GPU "class=0x030000\n", GPU "vendor=0x1002\n" }, { NULL },
      false, NULL, { "a GPU of AMD, but this container is not given it", "--device /dev/kfd", "driver for the GPU of AMD" } },
    { "Kubernetes, whose control groups say nothing", { ICD "a.icd=libm.so.6", GPU "class=0x038000", GPU "vendor=0x1002",
      "/proc/1/cgroup=0::/\n" }, { "KUBERNETES_SERVICE_HOST=10.0.0.1" }, false, NULL, { "this container is not given it" } },
    { "no kernel driver", { ICD "a.icd=libm.so.6", GPU "class=0x030000", GPU "vendor=0x8086", "/proc/1/cgroup=0::/init.scope\n" },
      { NULL }, false, NULL, { "a GPU of Intel has no node in /dev", "driver for the GPU of Intel", "intel-opencl-icd" } },
    { "PoCL's devices", { ICD "pocl.icd=libpocl-none.so" }, { "POCL_DEVICES=cuda" }, false, NULL,
      { "POCL_DEVICES is cuda: PoCL shows no other devices", "unset POCL_DEVICES" } },
    { "PoCL's cache", { ICD "pocl.icd=libpocl-none.so", "/locked/=" }, { "POCL_CACHE_DIR=/locked/pocl/cache" }, false, "/locked",
      { "POCL_CACHE_DIR is /locked/pocl/cache, which cannot be written" } },
    { "a network card is no GPU", { ICD "a.icd=libm.so.6", GPU "class=0x020000\n", GPU "vendor=0x8086\n" }, { NULL }, false,
      NULL, { NOTHING } },
};

static void diagnosing(const void *arg)
{
    const struct system *s = arg;
    char command[128], *text = NULL;
    size_t bytes = 0;
    struct diagnosis d = { .root = root, .access = pretend, .loader = !s->no_loader };
    int findings = 0;

    snprintf(root, sizeof(root), "/tmp/quern-diagnose-XXXXXX");
    if (!mkdtemp(root)) {
        test_fail(__FILE__, __LINE__, "no folder");
        return;
    }
    refused = s->refused;
    for (size_t i = 0; i < sizeof(s->files) / sizeof(s->files[0]) && s->files[i]; i++)
        make(s->files[i]);
    for (size_t i = 0; i < 2 && s->variable[i]; i++) {
        char name[64];

        snprintf(name, sizeof(name), "%.*s", (int)strcspn(s->variable[i], "="), s->variable[i]);
        setenv(name, strchr(s->variable[i], '=') + 1, 1);
    }
    d.out = open_memstream(&text, &bytes);
    diagnose(&d);
    fclose(d.out);
    for (size_t i = 0; i < sizeof(s->says) / sizeof(s->says[0]) && s->says[i]; i++)
        if (!strstr(text, s->says[i]))
            test_fail(__FILE__, __LINE__, "'%s' is not in: %s", s->says[i], text);
    for (const char *c = text; *c; c = strchr(c, '\n') + 1)
        findings += !strncmp(c, "- ", 2);
    CHECK_INT(d.findings, findings);
    CHECK(findings >= 1 && findings <= 3);
    if (strstr(text, NOTHING))
        CHECK_INT(findings, 1);
    for (size_t i = 0; i < 2 && s->variable[i]; i++) {
        char name[64];

        snprintf(name, sizeof(name), "%.*s", (int)strcspn(s->variable[i], "="), s->variable[i]);
        unsetenv(name);
    }
    free(text);
    snprintf(command, sizeof(command), "rm -r '%s'", root);
    CHECK_INT(system(command), 0);
}

int main(void)
{
    static const char *const variables[] = {
        "OCL_ICD_VENDORS", "OPENCL_VENDOR_PATH", "OCL_ICD_FILENAMES", "RUSTICL_ENABLE", "QUERN_OPENCL_LIBRARY", "POCL_DEVICES",
        "POCL_CACHE_DIR", "container", "KUBERNETES_SERVICE_HOST", "APPTAINER_CONTAINER", "SINGULARITY_CONTAINER",
    };
    char name[128];

    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        unsetenv(variables[i]);
    for (size_t i = 0; i < sizeof(systems) / sizeof(systems[0]); i++) {
        snprintf(name, sizeof(name), "diagnose: %s", systems[i].name);
        test_run_with(name, diagnosing, &systems[i]);
    }
    return test_end();
}
