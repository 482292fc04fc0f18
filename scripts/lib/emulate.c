// Loaded before bochscpu's library, by scripts/test-avx512: chooses the emulated processor and
// supplies functions of glibc 2.38 that the library asks for, for machines with an older one.

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

// The processor that bochscpu 0.4 makes when not told otherwise has no VNNI, and its Python
// module cannot tell it. So its maker is this one instead, which makes a Sapphire Rapids.
void *_Z23create_corei3_cnl_cpuidP8BX_CPU_C(void *cpu) {
    void *library = dlopen(getenv("CHINHCHU_BOCHSCPU"), RTLD_NOLOAD | RTLD_NOW);
    void *(*make)(void *) = NULL;
    if (library != NULL) *(void **)&make = dlsym(library, "_Z28create_sapphire_rapids_cpuidP8BX_CPU_C");
    if (make == NULL) {
        fputs("emulate: this is not the bochscpu that is expected\n", stderr);
        exit(2);
    }
    return make(cpu);
}

long __isoc23_strtol(const char *text, char **end, int base) { return strtol(text, end, base); }
unsigned long __isoc23_strtoul(const char *text, char **end, int base) { return strtoul(text, end, base); }
long long __isoc23_strtoll(const char *text, char **end, int base) { return strtoll(text, end, base); }
unsigned long long __isoc23_strtoull(const char *text, char **end, int base) { return strtoull(text, end, base); }

int __isoc23_sscanf(const char *text, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int read = vsscanf(text, format, list);
    va_end(list);
    return read;
}

int __isoc23_fscanf(FILE *file, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int read = vfscanf(file, format, list);
    va_end(list);
    return read;
}
