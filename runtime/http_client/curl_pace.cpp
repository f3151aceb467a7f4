// Time limits of one outgoing call.
#include "runtime/http_client/curl_transfer.hpp"
#include "runtime/net/tcp_progress.hpp"

#include <algorithm>

namespace tayfa {

namespace {

/// Polls of the kernel, per stall limit, for the progress of a call.
constexpr int looks_in_time = 4;

} // namespace

void curl_transfer::begin(moment now) {
  began_ = now;
  if (part_ == part::unbegun) {
    part_ = part::sending;
    begin_part(now);
  }
}

void curl_transfer::begin_part(moment now) {
  pace_.begin({call_.timeout, call_.least_rate}, now);
  due_ = std::min(pace_.due(), now + call_.timeout / looks_in_time);
}

void curl_transfer::look(moment now) {
  curl_off_t sent = 0;
  curl_off_t received = 0;
  curl_easy_getinfo(handle_.get(), CURLINFO_SIZE_UPLOAD_T, &sent);
  curl_easy_getinfo(handle_.get(), CURLINFO_SIZE_DOWNLOAD_T, &received);
  const auto connection = asked_on_ ? open_->find(*asked_on_) : std::nullopt;
  const auto on_its_way =
      connection ? unacknowledged_bytes(*connection).value_or(0) : std::uint64_t{0};
  const auto given = static_cast<std::uint64_t>(std::max<curl_off_t>(sent, 0));
  const auto come = static_cast<std::uint64_t>(std::max<curl_off_t>(received, 0)) + head_bytes_;
  const auto moved = given - std::min(given, on_its_way) + come;
  pace_.moved(moved - std::min(moved, moved_), now);
  moved_ = std::max(moved_, moved);
  const bool all_sent = connected_ && given >= body_size(call_) && on_its_way == 0;
  const part now_in = come > 0 ? part::receiving : all_sent ? part::waiting : part::sending;
  if (now_in > part_) {
    part_ = now_in;
    begin_part(now);
  }
}

bool curl_transfer::goes_on(moment now) {
  look(now);
  if (!pace_.keeps_up(now)) {
    return false;
  }
  due_ = std::min(pace_.due(), now + call_.timeout / looks_in_time);
  return true;
}

} // namespace tayfa
