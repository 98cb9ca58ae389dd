/* SPDX-License-Identifier: MIT */
/* What tests/targets/deep.py calls of C++: Engine::outer → middle → inner<double>, which is 3/4
 * of the time; and functions with names as Rust's compiler makes them, for a moment each. */
#include <pybind11/pybind11.h>
#include <time.h>

#define OWN __attribute__((noinline, noclone))

static double cpu_seconds()
{
    timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return double(now.tv_sec) + double(now.tv_nsec) / 1e9;
}

static inline __attribute__((always_inline)) double spin(double seconds)
{
    double end = cpu_seconds() + seconds;
    volatile double sum = 1;

    while (cpu_seconds() < end)
        for (int i = 0; i < 100000; i++)
            sum = sum * 1.0000001 + 1e-9;
    return sum;
}

extern "C" {
OWN double rust_inner(double) __asm__("_RNvNtCs1234_7mycrate4deep5inner");
OWN double rust_outer(double) __asm__("_ZN7mycrate4deep5outer17h0123456789abcdefE");
double rust_inner(double seconds) { return spin(seconds); }
double rust_outer(double seconds) { return rust_inner(seconds) + 1; }
}

namespace deep {
struct Engine {
    template <class T> OWN double inner(T seconds) { return spin(seconds); }
    OWN double middle(double seconds) { return inner<double>(seconds) + 1; }
    OWN double outer(double seconds)
    {
        return spin(seconds / 4) + middle(seconds * 3 / 4) + 1;
    }
};
} // namespace deep

PYBIND11_MODULE(deep_pybind, m)
{
    m.def("burn", [](double seconds) { return deep::Engine().outer(seconds); });
    m.def("rust", [](double seconds) { return rust_outer(seconds); });
}
