#include "runtime/pods/blobs.hpp"

#include <algorithm>
#include <utility>

namespace tayfa::pods {

using pod_protocol::chunk;
using pod_protocol::chunk_bytes_max;

blob_ref ref_of(const shared_text& text) {
  return {sha256::of(text.view()), text.size()};
}

// ---- cache --------------------------------------------------------------------------------------

shared_text blob_cache::find(const blob_ref& blob) {
  const auto found = by_sum_.find(blob.sha256);
  if (found == by_sum_.end() || found->second->name != blob) {
    return {};
  }
  used_.splice(used_.begin(), used_, found->second);
  return found->second->text;
}

void blob_cache::put(const blob_ref& blob, shared_text text) {
  if (blob.bytes > bytes_max_ || by_sum_.contains(blob.sha256)) {
    return;
  }
  used_.push_front({blob, std::move(text)});
  by_sum_[blob.sha256] = used_.begin();
  bytes_ += blob.bytes;
  while (bytes_ > bytes_max_) {
    bytes_ -= used_.back().name.bytes;
    by_sum_.erase(used_.back().name.sha256);
    used_.pop_back();
  }
}

// ---- receiver -----------------------------------------------------------------------------------

blob_receiver::~blob_receiver() {
  while (!wanted_.empty()) {
    end(wanted_.begin());
  }
}

void blob_receiver::want(const blob_ref& blob) {
  if (wanted_.try_emplace(blob).second) {
    turns_.push_back(blob);
  }
}

void blob_receiver::drop(const blob_ref& blob) {
  if (const auto found = wanted_.find(blob); found != wanted_.end()) {
    end(found);
  }
}

void blob_receiver::end(entry e) {
  budget_.bytes -= e->second.receiving ? e->first.bytes : 0;
  std::erase(turns_, e->first);
  wanted_.erase(e);
}

blob_receiver::arrival blob_receiver::take(const chunk& m) {
  const auto found = wanted_.find(m.blob);
  if (found == wanted_.end()) {
    return {}; // it was dropped while the chunk was under way
  }
  auto& in = found->second;
  arrival out;
  if (m.bytes.empty()) {
    end(found);
    out.failed = true;
    return out;
  }
  // Chunks of an earlier grant may overlap those of the present one: only what is new counts.
  const std::uint64_t have = in.text.size();
  const std::uint64_t end_of_chunk = m.offset + m.bytes.size();
  if (m.offset > have || end_of_chunk <= have || end_of_chunk > in.until) {
    return out;
  }
  const auto more = m.bytes.view().substr(have - m.offset);
  in.text += more;
  in.sum.add(more);
  if (in.text.size() < m.blob.bytes) {
    return out;
  }
  out.whole = in.sum.finish() == m.blob.sha256;
  out.failed = !out.whole;
  if (out.whole) {
    out.text = shared_text{std::move(in.text)};
  }
  end(found);
  return out;
}

std::uint64_t blob_receiver::in_flight() const {
  std::uint64_t sum = 0;
  for (const auto& [blob, in] : wanted_) {
    sum += in.until - std::min<std::uint64_t>(in.until, in.text.size());
  }
  return sum;
}

std::vector<pod_protocol::blob_need> blob_receiver::grants() {
  std::vector<pod_protocol::blob_need> out;
  std::size_t receiving = 0;
  for (const auto& blob : turns_) {
    auto& in = wanted_.at(blob);
    if (!in.receiving && receiving < receiving_max &&
        (budget_.bytes == 0 || budget_.bytes + blob.bytes <= budget_.bytes_max)) {
      in.receiving = true;
      budget_.bytes += blob.bytes;
    }
    receiving += in.receiving ? 1 : 0;
    if (receiving == receiving_max) {
      break;
    }
  }
  if (receiving == 0) {
    return out;
  }
  const std::uint64_t share = std::max<std::uint64_t>(in_flight_max / receiving, chunk_bytes_max);
  for (const auto& blob : turns_) {
    auto& in = wanted_.at(blob);
    const std::uint64_t have = in.text.size();
    const auto until = std::min(blob.bytes, have + share);
    // In steps of a chunk, so that one request is followed by whole chunks.
    if (in.receiving && until > in.until &&
        (until == blob.bytes || until >= in.until + chunk_bytes_max)) {
      in.until = until;
      out.push_back({blob, have, until});
    }
  }
  return out;
}

void blob_receiver::new_session() {
  for (auto& [blob, in] : wanted_) {
    in.until = 0;
  }
}

// ---- sender -------------------------------------------------------------------------------------

blob_ref blob_sender::offer(const shared_text& text) {
  auto blob = ref_of(text);
  offer(blob, text);
  return blob;
}

void blob_sender::offer(const blob_ref& blob, const shared_text& text) {
  auto& out = offered_[blob];
  out.text = text;
  ++out.uses;
}

void blob_sender::drop(const blob_ref& blob) {
  const auto found = offered_.find(blob);
  if (found != offered_.end() && --found->second.uses == 0) {
    offered_.erase(found);
  }
}

std::vector<chunk> blob_sender::serve(const pod_protocol::blob_need& m) {
  std::vector<chunk> out;
  const auto found = offered_.find(m.blob);
  if (found == offered_.end()) {
    out.push_back({m.blob, 0, {}});
    return out;
  }
  auto& from = found->second;
  // A request from the beginning is the first one; later ones of a session go on where the last one
  // ended.
  std::uint64_t at = m.offset == 0 ? 0 : std::max(from.sent, m.offset);
  const auto until = std::min({m.until, m.blob.bytes, m.offset + in_flight_max});
  while (at < until) {
    const auto size = std::min<std::uint64_t>(chunk_bytes_max, until - at);
    out.push_back({m.blob, at, shared_text{std::string{from.text.view().substr(at, size)}}});
    at += size;
  }
  from.sent = at;
  return out;
}

void blob_sender::new_session() {
  for (auto& [blob, out] : offered_) {
    out.sent = 0;
  }
}

} // namespace tayfa::pods
