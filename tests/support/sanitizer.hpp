// For tests that leave a process too little of something: a sanitizer needs its own memory, threads
// and descriptors beside, and then reports their want instead of what is tested.
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
