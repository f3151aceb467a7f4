// For tests that limit a process's resources: a sanitizer needs memory, threads and descriptors of
// its own, and would fail for lack of them instead of the tested code.
#pragma once

namespace tayfa::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool with_sanitizer = true;
#else
inline constexpr bool with_sanitizer = false;
#endif
inline constexpr const char* sanitizer_needs_it =
    "a sanitizer needs its own memory, threads and descriptors beside";

} // namespace tayfa::test
