// A text as a message carries it: itself, or as a blob.
#pragma once

#include "messages/pod_protocol.hpp"
#include "runtime/pods/blobs.hpp"

namespace tayfa::pods {

/// The sender offers a long text, until its drop().
inline pod_protocol::payload payload_of(const shared_text& text, blob_sender& from) {
  if (text.size() <= pod_protocol::inline_bytes_max) {
    return {text, {}};
  }
  return {{}, from.offer(text)};
}

} // namespace tayfa::pods
