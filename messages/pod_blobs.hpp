// Messages of the pod protocol (pod_protocol.hpp) that go both ways: large texts, in chunks.
#pragma once

#include "messages/fields.hpp"
#include "messages/pod_values.hpp"

#include <cstddef>
#include <cstdint>
#include <tuple>

namespace tayfa::pod_protocol {

/// The receiver has the first `offset` bytes, and takes chunks up to `until`; both only grow.
struct blob_need {
  static constexpr kind id = kind::blob_need;
  blob_ref blob;
  std::uint64_t offset = 0;
  std::uint64_t until = 0;
  static constexpr const char* rule = "a blob is needed up to its end at most";
  bool valid() const { return !blob.empty() && offset <= until && until <= blob.bytes; }
  static constexpr auto fields() {
    return std::make_tuple(field{"blob", &blob_need::blob}, field{"offset", &blob_need::offset},
                           field{"until", &blob_need::until});
  }
};

/// The receiver has all of it, and has checked it. `ok` false: it can never have it.
struct blob_have {
  static constexpr kind id = kind::blob_have;
  blob_ref blob;
  bool ok = true;
  static constexpr const char* rule = "a blob has a name";
  bool valid() const { return !blob.empty(); }
  static constexpr auto fields() {
    return std::make_tuple(field{"blob", &blob_have::blob}, field{"ok", &blob_have::ok});
  }
};

/// Empty `bytes`: the sender does not have this blob.
struct chunk {
  static constexpr kind id = kind::chunk;
  blob_ref blob;
  std::uint64_t offset = 0;
  shared_text bytes;
  static constexpr std::size_t payload_most = chunk_bytes_max;
  static constexpr const char* rule = "a chunk lies within its blob";
  bool valid() const {
    return !blob.empty() && offset <= blob.bytes && bytes.size() <= blob.bytes - offset;
  }
  static constexpr auto fields() {
    return std::make_tuple(field{"blob", &chunk::blob}, field{"offset", &chunk::offset},
                           field{"bytes", &chunk::bytes});
  }
};

} // namespace tayfa::pod_protocol
