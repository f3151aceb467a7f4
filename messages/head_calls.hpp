// A head asks another one that has the job: a client's call, as far as it needs the job's owner,
// and the answer as the client gets it.
//
// Both go through the database that the heads share (store::shared_store). Encoded as the frames of
// the worker protocol are. A head of another version is refused in words, which name both versions.
#pragma once

#include "messages/error.hpp"
#include "messages/fields.hpp"
#include "messages/protocol.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace tayfa::head_calls {

inline constexpr std::uint32_t version = 1;
inline constexpr std::size_t call_bytes_max = std::size_t{64} << 10;
inline constexpr std::size_t answer_bytes_max = std::size_t{32} << 20;

enum class kind : std::uint8_t { call = 160, answer = 161 };

/// The client's call.
enum class asks : std::uint8_t {
  cancel = 0,
  retry = 1,
  drop = 2,
  keep = 3,    ///< its state, and its result shall stay for `keep_ms`
  stream = 4,  ///< its chunks, within `wait_ms`
  purge = 5,   ///< everything that waits and is covered
  receipt = 6, ///< an answer with chunks has reached its reader, or has not
};
constexpr asks greatest(asks) {
  return asks::receipt;
}
constexpr const char* unknown_value(asks) {
  return "no such call";
}

struct endpoint_names : std::vector<std::string> {
  static constexpr std::uint32_t most = 4'096;
};

struct call {
  static constexpr kind id = kind::call;
  asks what = asks::cancel;
  std::string job; ///< empty: none in particular
  endpoint_names endpoints;
  bool one_tenant = false; ///< only jobs of this tenant
  std::string tenant;
  std::uint64_t keep_ms = 0;
  std::uint64_t wait_ms = 0;
  std::uint64_t receipt = 0; ///< of that answer
  bool received = false;

  static constexpr auto fields() {
    return std::make_tuple(field{"what", &call::what}, field{"job", &call::job},
                           field{"endpoints", &call::endpoints},
                           field{"one_tenant", &call::one_tenant}, field{"tenant", &call::tenant},
                           field{"keep_ms", &call::keep_ms}, field{"wait_ms", &call::wait_ms},
                           field{"receipt", &call::receipt}, field{"received", &call::received});
  }
};

struct answer {
  static constexpr kind id = kind::answer;
  std::uint16_t status = 200;
  shared_text body;          ///< JSON
  std::uint64_t number = 0;  ///< of a purge: how many jobs it has cancelled
  std::uint64_t receipt = 0; ///< not 0: the owner waits for asks::receipt with this number
  std::string head;          ///< name of the one that answered

  static constexpr auto fields() {
    return std::make_tuple(field{"status", &answer::status}, field{"body", &answer::body},
                           field{"number", &answer::number}, field{"receipt", &answer::receipt},
                           field{"head", &answer::head});
  }
};

std::string encode(const call&);
std::string encode(const answer&);
/// errc::bad_frame, in words for the other head's log; pure, within the limits above.
result<call> decode_call(std::string_view);
result<answer> decode_answer(std::string_view);

} // namespace tayfa::head_calls
