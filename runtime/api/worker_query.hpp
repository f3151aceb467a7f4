// The names in a remote worker's request line: its own, a job's, and what its query says. Pure.
//
// Workers get their addresses as templates and add to them what they like; only what is named here
// is read, of everything else nothing is expected.
#pragma once

#include "runtime/api/route.hpp"

#include <cstddef>
#include <string_view>

namespace tayfa::api {

/// A job may go to a worker under a name a little longer than its id.
inline constexpr std::size_t worker_job_length_max = job_id::max_length + 32;
/// More than this is never handed out in one batch, whatever is asked for.
inline constexpr std::uint32_t take_max = 1'000;
inline constexpr std::uint64_t batch_size_max = 1'000'000'000; ///< that may be asked for
inline constexpr std::size_t device_bytes_max = 128;
inline constexpr std::size_t version_bytes_max = 64;
inline constexpr std::size_t unfit_bytes_max = 512;

/// The form of a job_id.
bool is_worker_name(std::string_view text);
/// Likewise, up to worker_job_length_max.
bool is_worker_job(std::string_view text);

/// errc::bad_request for a broken escape and for a batch_size out of its bounds.
result<worker_words> worker_words_of(std::string_view query);

} // namespace tayfa::api
