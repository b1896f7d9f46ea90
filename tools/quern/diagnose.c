/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "diagnose.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fnmatch.h>
#include <grp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH    1024
#define VENDORS "/etc/OpenCL/vendors"
#define DRIVERS "pocl-opencl-icd (any CPU), intel-opencl-icd, mesa-opencl-icd or your vendor's driver"

enum maker { NVIDIA = 1, AMD = 2, INTEL = 4, ANY_GPU = 8, POCL = 16 };

/* What the libraries of drivers are called, and whose GPUs they run. */
static const struct {
    const char *part;
    unsigned makers;
} libraries[] = {
    { "nvidia", NVIDIA }, { "amdocl", AMD },   { "igdrcl", INTEL }, { "Rusticl", ANY_GPU },
    { "MesaOpenCL", AMD }, { "pocl", POCL },
};

static const struct {
    const char *id; /* as in /sys */
    enum maker maker;
    const char *name, *remedy;
} makers[] = {
    { "0x10de", NVIDIA, "NVIDIA", "install nvidia-opencl-icd (Debian) or the OpenCL part of NVIDIA's driver" },
    { "0x1002", AMD, "AMD", "install ROCm's OpenCL (rocm-opencl-icd), or mesa-opencl-icd and set RUSTICL_ENABLE=radeonsi" },
    { "0x8086", INTEL, "Intel", "install intel-opencl-icd, or mesa-opencl-icd and set RUSTICL_ENABLE=iris" },
};

static void tell(struct diagnosis *d, const char *remedy, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void tell(struct diagnosis *d, const char *remedy, const char *format, ...)
{
    va_list args;

    fprintf(d->out, "- ");
    va_start(args, format);
    vfprintf(d->out, format, args);
    va_end(args);
    fprintf(d->out, "\n  %s\n", remedy);
    d->findings++;
}

static const char *at_root(const struct diagnosis *d, char path[PATH], const char *name)
{
    snprintf(path, PATH, "%s%s", d->root, name);
    return path;
}

static bool is_folder(const char *path)
{
    struct stat s;

    return !stat(path, &s) && S_ISDIR(s.st_mode);
}

static const char *variable(const char *name)
{
    const char *v = getenv(name);

    return v && *v ? v : NULL;
}

/* The first line of a file, without its end; false when it cannot be read. */
static bool first_line(char *line, size_t bytes, const char *path)
{
    FILE *f = fopen(path, "r");
    bool ok = f && fgets(line, (int)bytes, f);

    if (!ok)
        line[0] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    if (f)
        fclose(f);
    return ok;
}

/* ---- drivers ---- */

/* Does a driver's library load? It stays loaded, as the OpenCL loader leaves it. */
static void try_library(struct diagnosis *d, const char *library, const char *origin, unsigned *drivers)
{
    char path[PATH];
    const char *why;

    for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++)
        if (strstr(library, libraries[i].part))
            *drivers |= libraries[i].makers;
    if (*library == '/')
        library = at_root(d, path, library);
    if (dlopen(library, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE))
        return;
    why = dlerror();
    tell(d, strstr(why ? why : "", "ELF class") ? "install the driver for this machine's word size"
            : strstr(why ? why : "", "undefined symbol") || (why && !strstr(why, library))
                ? "the driver is there, but something it needs is not: install it anew, with its dependencies"
                : "install the driver anew, or remove the .icd file or setting that names it",
         "%s: the driver's library does not load: %s", origin, why ? why : library);
}

static void try_icd(struct diagnosis *d, const char *path, unsigned *drivers)
{
    char line[PATH];

    if (d->access(path, R_OK) || !first_line(line, sizeof(line), path))
        tell(d, "install its driver anew, or remove the file", "%s %s", path,
             d->access(path, F_OK) ? "is not there" : d->access(path, R_OK) ? "cannot be read" : "is empty");
    else
        try_library(d, line + strspn(line, " \t"), path, drivers);
}

static int is_icd(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);

    return n > 4 && !strcmp(entry->d_name + n - 4, ".icd");
}

static void try_folder(struct diagnosis *d, const char *folder, const char *set_by, unsigned *drivers)
{
    char path[PATH], remedy[256];
    struct dirent **list = NULL;
    int n = scandir(folder, &list, is_icd, alphasort);

    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, list[i]->d_name);
        try_icd(d, path, drivers);
        free(list[i]);
    }
    free(list);
    if (n > 0)
        return;
    if (set_by)
        snprintf(remedy, sizeof(remedy), "unset %s, or set it to a folder with .icd files", set_by);
    else
        snprintf(remedy, sizeof(remedy), "install one, on Debian and Ubuntu " DRIVERS);
    if (set_by)
        tell(d, remedy, "%s is %s, a folder %s", set_by, folder, n < 0 ? "that cannot be read" : "without an .icd file");
    else
        tell(d, remedy, "no OpenCL driver is installed: %s %s", folder, n < 0 ? "is not there" : "has no .icd file");
}

/* OCL_ICD_VENDORS: a folder, an .icd file, the name of one in the usual folder, or a library. */
static void try_vendors(struct diagnosis *d, const char *set, unsigned *drivers)
{
    char path[PATH], remedy[PATH];
    const size_t n = strlen(set);
    const bool icd = n > 4 && !strcmp(set + n - 4, ".icd"), slash = strchr(set, '/');

    snprintf(path, sizeof(path), icd && !slash ? "%s" VENDORS "/%s" : "%s%s", *set == '/' || !slash ? d->root : "", set);
    snprintf(remedy, sizeof(remedy), "unset OCL_ICD_VENDORS, or set it to a folder with .icd files, such as " VENDORS);
    if (is_folder(path))
        try_folder(d, path, "OCL_ICD_VENDORS", drivers);
    else if (icd && d->access(path, R_OK))
        tell(d, remedy, "OCL_ICD_VENDORS is %s, which is not there", set);
    else if (icd)
        try_icd(d, path, drivers);
    else if (slash && d->access(path, F_OK))
        tell(d, remedy, "OCL_ICD_VENDORS is %s, which is not there", set);
    else
        try_library(d, set, "OCL_ICD_VENDORS", drivers);
}

/* OCL_ICD_FILENAMES: libraries that the Khronos loader takes besides the folder's. */
static void try_filenames(struct diagnosis *d, const char *set, unsigned *drivers)
{
    char name[PATH];

    while (*set) {
        size_t n = strcspn(set, ":");

        snprintf(name, sizeof(name), "%.*s", (int)n, set);
        if (n)
            try_library(d, name, "OCL_ICD_FILENAMES", drivers);
        set += n + (set[n] == ':');
    }
}

static void try_drivers(struct diagnosis *d, unsigned *drivers)
{
    const char *vendors = variable("OCL_ICD_VENDORS"), *path = variable("OPENCL_VENDOR_PATH");
    const char *names = variable("OCL_ICD_FILENAMES");
    char folder[PATH];

    if (vendors) {
        const int before = d->findings;

        try_vendors(d, vendors, drivers);
        if (d->findings == before)
            tell(d, "unset it to see what other drivers show", "OCL_ICD_VENDORS is %s: other drivers are not asked", vendors);
    } else {
        at_root(d, folder, path ? path : VENDORS);
        try_folder(d, folder, path ? "OPENCL_VENDOR_PATH" : NULL, drivers);
    }
    if (names)
        try_filenames(d, names, drivers);
}

/* PoCL shows no device at all when it cannot make its cache, and only those that it is told to. */
static void try_pocl(struct diagnosis *d)
{
    const char *devices = variable("POCL_DEVICES"), *set = variable("POCL_CACHE_DIR");
    char path[PATH], *slash;

    if (devices)
        tell(d, "unset POCL_DEVICES", "POCL_DEVICES is %s: PoCL shows no other devices", devices);
    if (!set)
        return;
    at_root(d, path, set);
    while (d->access(path, F_OK) && (slash = strrchr(path, '/')) && slash != path) /* what is there of it */
        *slash = '\0';
    if (d->access(path, W_OK))
        tell(d, "unset POCL_CACHE_DIR, or set it to a folder that can be written",
             "POCL_CACHE_DIR is %s, which cannot be written: PoCL shows no device", set);
}

/* ---- devices ---- */

/* The nodes of a pattern in /dev: how many there are; those this user may not open are told. */
static int try_nodes(struct diagnosis *d, const char *pattern)
{
    char folder[PATH], path[PATH], remedy[256];
    const char *name = strrchr(pattern, '/') + 1;
    struct dirent *entry;
    struct stat s;
    int n = 0;
    DIR *dir;

    snprintf(folder, sizeof(folder), "%s%.*s", d->root, (int)(name - pattern - 1), pattern);
    dir = opendir(folder);
    while (dir && (entry = readdir(dir))) {
        const struct group *group;

        if (fnmatch(name, entry->d_name, 0))
            continue;
        n++;
        snprintf(path, sizeof(path), "%.700s/%.255s", folder, entry->d_name);
        if (!d->access(path, R_OK | W_OK))
            continue;
        group = stat(path, &s) ? NULL : getgrgid(s.st_gid);
        if (group && s.st_gid)
            snprintf(remedy, sizeof(remedy), "as root: usermod -a -G %.64s USER, then log in again; in a container add --group-add",
                     group->gr_name);
        else
            snprintf(remedy, sizeof(remedy), "let this user read and write it: as root, by a udev rule or the driver's package");
        tell(d, remedy, "%s: no permission", path);
    }
    if (dir)
        closedir(dir);
    return n;
}

static bool in_container(const struct diagnosis *d)
{
    static const char *const signs[] = { "container", "KUBERNETES_SERVICE_HOST", "APPTAINER_CONTAINER", "SINGULARITY_CONTAINER" };
    char path[PATH], line[PATH];

    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
        if (variable(signs[i]))
            return true;
    if (!d->access(at_root(d, path, "/.dockerenv"), F_OK) || !d->access(at_root(d, path, "/run/.containerenv"), F_OK))
        return true;
    return first_line(line, sizeof(line), at_root(d, path, "/proc/1/cgroup")) &&
           (strstr(line, "docker") || strstr(line, "kubepods") || strstr(line, "lxc") || strstr(line, "containerd"));
}

/* Whose GPUs the machine has: PCI devices of display classes. */
static unsigned find_gpus(const struct diagnosis *d)
{
    char folder[PATH], path[PATH], class[32], vendor[32];
    unsigned found = 0;
    struct dirent *entry;
    DIR *dir = opendir(at_root(d, folder, "/sys/bus/pci/devices"));

    while (dir && (entry = readdir(dir))) {
        snprintf(path, sizeof(path), "%.700s/%.200s/class", folder, entry->d_name);
        if (!first_line(class, sizeof(class), path) || strncmp(class, "0x03", 4))
            continue;
        snprintf(path, sizeof(path), "%.700s/%.200s/vendor", folder, entry->d_name);
        for (size_t i = 0; first_line(vendor, sizeof(vendor), path) && i < sizeof(makers) / sizeof(makers[0]); i++)
            if (!strcmp(vendor, makers[i].id))
                found |= makers[i].maker;
    }
    if (dir)
        closedir(dir);
    return found;
}

static void try_gpus(struct diagnosis *d, unsigned drivers)
{
    const unsigned gpus = find_gpus(d);
    const int render = try_nodes(d, "/dev/dri/renderD*"), kfd = try_nodes(d, "/dev/kfd");
    const int nvidia = try_nodes(d, "/dev/nvidia[0-9]*") + try_nodes(d, "/dev/nvidiactl");

    for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
        const bool node = makers[i].maker == NVIDIA ? nvidia > 0 : makers[i].maker == AMD ? render > 0 || kfd > 0 : render > 0;

        if (!(gpus & makers[i].maker))
            continue;
        if (!node && in_container(d))
            tell(d, makers[i].maker == NVIDIA ? "start the container with --gpus all (NVIDIA's container toolkit)"
                    : makers[i].maker == AMD  ? "start the container with --device /dev/kfd --device /dev/dri"
                                              : "start the container with --device /dev/dri",
                 "the machine has a GPU of %s, but this container is not given it", makers[i].name);
        else if (!node)
            tell(d, "install and load its kernel driver", "a GPU of %s has no node in /dev: its kernel driver is not loaded",
                 makers[i].name);
        if (!(drivers & (makers[i].maker | ANY_GPU)))
            tell(d, makers[i].remedy, "no OpenCL driver for the GPU of %s", makers[i].name);
    }
    if ((drivers & ANY_GPU) && !variable("RUSTICL_ENABLE"))
        tell(d, "set RUSTICL_ENABLE to a driver of Mesa: radeonsi, iris, nouveau or llvmpipe",
             "Mesa's rusticl shows no device unless RUSTICL_ENABLE names its driver");
}

void diagnose(struct diagnosis *d)
{
    unsigned drivers = 0;
    const char *library = variable("QUERN_OPENCL_LIBRARY");

    if (!d->loader && library)
        tell(d, "unset QUERN_OPENCL_LIBRARY, or set it to an OpenCL loader", "QUERN_OPENCL_LIBRARY is %s", library);
    else if (!d->loader)
        tell(d, "install one, on Debian and Ubuntu ocl-icd-libopencl1", "no OpenCL loader, libOpenCL.so.1, is installed");
    try_drivers(d, &drivers);
    if (drivers & POCL)
        try_pocl(d);
    try_gpus(d, drivers);
    if (!d->findings)
        tell(d, "install another driver, on Debian and Ubuntu " DRIVERS,
             "the drivers load, and no device is shut off from this user");
}
