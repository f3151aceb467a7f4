// Names of things: strong types so that a job id is never passed where a slot is meant.
//
// Everything here is a plain value. Ids arrive from outside (HTTP paths, engine frames), so each
// has one validity rule, and parse() is the only way in for untrusted text.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace tayfa {

/// A client's unit of work. Opaque text of 1..128 characters out of [A-Za-z0-9._-]
/// (RunPod's own ids, such as `sync-<uuid>-u1`, are of this form).
class job_id {
 public:
  static constexpr std::size_t max_length = 128;

  job_id() = default;
  /// For ids we made ourselves or have parsed before.
  explicit job_id(std::string text) : text_(std::move(text)) {}

  /// The id in `text`, or nothing when it breaks the rule above.
  static std::optional<job_id> parse(std::string_view text);

  const std::string& str() const { return text_; }
  bool empty() const { return text_.empty(); }
  auto operator<=>(const job_id&) const = default;

 private:
  std::string text_;
};

/// A place where one engine process runs: GPU i, or CPU slot i.
struct slot_id {
  std::uint32_t value = 0;
  auto operator<=>(const slot_id&) const = default;
};

/// Slots from here on are remote workers that pull their jobs (actors/remote_workers), not engine
/// processes of this pod.
inline constexpr std::uint32_t first_remote_slot = 1U << 20;

/// One life of one slot's engine process. `incarnation` only grows, so what a dead process said
/// late is recognised and dropped.
struct worker_ref {
  slot_id slot;
  std::uint64_t incarnation = 0;
  auto operator<=>(const worker_ref&) const = default;
};

/// One try of one job. `number` is the job's fence: it starts at 1 and only grows; a report with an
/// older number is refused.
struct attempt_ref {
  job_id job;
  std::uint32_t number = 0;
  auto operator<=>(const attempt_ref&) const = default;
};

std::string to_string(const worker_ref&);
std::string to_string(const attempt_ref&);

} // namespace tayfa

template <>
struct std::hash<tayfa::job_id> {
  std::size_t operator()(const tayfa::job_id& id) const noexcept {
    return std::hash<std::string>{}(id.str());
  }
};
