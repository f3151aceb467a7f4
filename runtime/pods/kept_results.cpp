#include "runtime/pods/kept_results.hpp"

#include "messages/codec.hpp"
#include "runtime/pods/digest.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace tayfa::pods {

namespace {

constexpr std::string_view unfinished = ".new";
constexpr std::size_t sum_bytes = 32;

std::string name_of(const attempt_ref& attempt) {
  return attempt.job.str() + "." + std::to_string(attempt.number);
}

/// The attempt whose result has this name; none for other files.
std::optional<attempt_ref> attempt_in(std::string_view name) {
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos || dot + 1 == name.size()) {
    return std::nullopt;
  }
  attempt_ref out;
  const auto number = name.substr(dot + 1);
  const auto [end, wrong] =
      std::from_chars(number.data(), number.data() + number.size(), out.number);
  auto job = job_id::parse(name.substr(0, dot));
  if (wrong != std::errc{} || end != number.data() + number.size() || !job ||
      name_of({*job, out.number}) != name) {
    return std::nullopt;
  }
  out.job = std::move(*job);
  return out;
}

} // namespace

folder_results::folder_results(store::file_system& files, std::string folder, kept_limits limits)
    : files_(files), folder_(std::move(folder)), limits_(limits) {}

std::string folder_results::path_of(const attempt_ref& attempt) const {
  return folder_ + "/" + name_of(attempt);
}

result<std::vector<kept_result>> folder_results::open() {
  const auto slash = folder_.rfind('/');
  const auto parent =
      slash == std::string::npos ? "." : folder_.substr(0, std::max<std::size_t>(slash, 1));
  const auto made =
      files_.make_folder(folder_).and_then([&] { return files_.sync_folder(parent); });
  if (!made) {
    return fail(made.error());
  }
  const auto names = files_.list(folder_);
  if (!names) {
    return fail(names.error());
  }
  std::vector<kept_result> out;
  for (const auto& name : *names) {
    if (name.ends_with(unfinished)) {
      static_cast<void>(
          files_.remove(folder_ + "/" + name)); // a write that did not come to its end
      continue;
    }
    const auto attempt = attempt_in(name);
    const auto size = attempt ? files_.size(folder_ + "/" + name) : result<std::size_t>{0};
    if (!size) {
      return fail(size.error());
    }
    if (attempt) {
      sizes_[*attempt] = *size;
      bytes_ += *size;
      out.push_back({*attempt, *size});
    }
  }
  return out;
}

result<void> folder_results::keep(const protocol::finished& m) {
  const auto frame = protocol::encode({}, protocol::upstream{m});
  const auto bytes = sum_bytes + frame.size();
  if (sizes_.size() >= limits_.count_max || bytes_ + bytes > limits_.bytes_max) {
    return fail(errc::storage_full, "the pod keeps " + std::to_string(sizes_.size()) +
                                        " results of " + std::to_string(bytes_) +
                                        " bytes for its head already");
  }
  const auto path = path_of(m.attempt);
  const auto wrote =
      files_.write_flushed(path + std::string{unfinished}, sha256::of(frame) + frame)
          .and_then([&] { return files_.rename(path + std::string{unfinished}, path); })
          .and_then([&] { return files_.sync_folder(folder_); });
  if (!wrote) {
    static_cast<void>(files_.remove(path + std::string{unfinished}));
    return wrote;
  }
  auto& size = sizes_[m.attempt];
  bytes_ += bytes - size;
  size = bytes;
  return {};
}

result<protocol::finished> folder_results::read(const attempt_ref& attempt) {
  const auto path = path_of(attempt);
  const auto bytes = files_.read(path, sum_bytes + protocol::frame_bytes_max + 1);
  if (!bytes) {
    return fail(bytes.error());
  }
  const std::string_view all{*bytes};
  const auto corrupt = [&] {
    return fail(errc::store_corrupt, "the result " + path + " is damaged");
  };
  if (all.size() < sum_bytes || sha256::of(all.substr(sum_bytes)) != all.substr(0, sum_bytes)) {
    return corrupt();
  }
  auto frame = protocol::decode_upstream(all.substr(sum_bytes));
  auto* const last = frame ? std::get_if<protocol::finished>(&frame->body) : nullptr;
  if (last == nullptr || last->attempt != attempt) {
    return corrupt();
  }
  return std::move(*last);
}

void folder_results::remove(const attempt_ref& attempt) {
  if (const auto entry = sizes_.find(attempt); entry != sizes_.end()) {
    bytes_ -= entry->second;
    sizes_.erase(entry);
  }
  static_cast<void>(files_.remove(path_of(attempt)));
}

} // namespace tayfa::pods
