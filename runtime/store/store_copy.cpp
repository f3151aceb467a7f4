#include "runtime/store/store_copy.hpp"

#include "runtime/store/row_codec.hpp"
#include "runtime/store/stored_tables.hpp"
#include "runtime/store/text_files.hpp"

#include <algorithm>
#include <future>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tayfa::store {

namespace {

constexpr int range_bits = 40; ///< of numbers that belong to one head of a shared store

template <class T, class Start>
T await(Start start) {
  auto answer = std::make_shared<std::promise<T>>();
  auto out = answer->get_future();
  start([answer](T how) { answer->set_value(std::move(how)); });
  return out.get();
}

/// An open store, closed in every case.
class opened {
 public:
  explicit opened(std::unique_ptr<job_store> store) : store_(std::move(store)) {}
  opened(const opened&) = delete;
  opened& operator=(const opened&) = delete;
  ~opened() { close(); }

  result<job_store::recovered> open() {
    auto found =
        await<result<job_store::recovered>>([this](auto done) { store_->open(std::move(done)); });
    is_open_ = found.has_value();
    return found;
  }
  void close() {
    if (std::exchange(is_open_, false)) {
      await<int>([this](auto done) { store_->close([done] { done(0); }); });
    }
  }
  result<void> commit(batch changes) {
    return await<result<void>>(
        [&](auto done) { store_->commit(std::move(changes), std::move(done)); });
  }
  /// The job with its texts, also those that stay in the store until they are asked for.
  result<job_row> whole(job_row row) {
    if (row.request.input.empty() && row.input_bytes > 0) {
      auto text = fetch(row.order, job_store::column::input);
      if (!text) {
        return fail(text.error());
      }
      row.request.input = std::move(*text);
    }
    if (row.output.empty() && row.output_bytes > 0) {
      auto text = fetch(row.order, job_store::column::output);
      if (!text) {
        return fail(text.error());
      }
      row.output = std::move(*text);
    }
    return row;
  }
  /// Other heads that use it now.
  result<std::vector<head_view>> others() {
    auto* const shared = store_->shared();
    return shared == nullptr ? result<std::vector<head_view>>{}
                             : await<result<std::vector<head_view>>>(
                                   [shared](auto done) { shared->others(std::move(done)); });
  }
  bool is_shared() const { return store_->shared() != nullptr; }

 private:
  result<shared_text> fetch(std::uint64_t order, job_store::column which) {
    return await<result<shared_text>>(
        [&](auto done) { store_->fetch(order, which, std::move(done)); });
  }

  std::unique_ptr<job_store> store_;
  bool is_open_ = false;
};

// ---- checksums ---------------------------------------------------------------------------------

void append(std::string& to, const cell& value) {
  if (const auto* const number = std::get_if<std::int64_t>(&value)) {
    to += "#" + std::to_string(*number) + ";";
  } else if (const auto* const text = std::get_if<std::string_view>(&value)) {
    to += "'" + std::to_string(text->size()) + ":";
    to += *text;
  } else {
    to += "-";
  }
}

/// The first 64 bits of a SHA-256.
result<std::uint64_t> sum_of(std::string_view bytes) {
  const auto hex = sha256_of(bytes);
  return hex ? result<std::uint64_t>{std::stoull(hex->substr(0, 16), nullptr, 16)}
             : fail(hex.error());
}

/// The checksums of one whole job, by table, without its number; 0: it is not in that table.
using row_sum = std::array<std::uint64_t, 3>;
bool has_results(const job_row& row) {
  return !row.output.empty() || !row.chunks.empty();
}
result<row_sum> sums_of(const job_row& row) {
  static const store_clock one_clock; // of both stores
  const auto history = history_text(row.history);
  const auto chunks = chunks_text(row.chunks);
  row_extras extras{.history = history, .input_released = row.request.input.empty()};
  extras.input = {.here = row.request.input.view(), .file = {}, .bytes = row.request.input.size()};
  extras.output = {.here = row.output.view(), .file = {}, .bytes = row.output.size()};
  extras.chunks = row.chunks.empty() ? std::string_view{} : std::string_view{chunks};
  const row_source source{.clock = one_clock, .job = &row, .extras = &extras};
  row_sum out{};
  const std::array tables = {&stored_tables.requests, &stored_tables.states,
                             &stored_tables.results};
  for (std::size_t i = 0; i < tables.size(); ++i) {
    if (tables[i] == &stored_tables.results && !has_results(row)) {
      continue;
    }
    std::string bytes;
    for (const auto& each : tables[i]->columns) {
      if (!each.is_sum() && !each.primary) {
        append(bytes, each.write(source));
      }
    }
    const auto sum = sum_of(bytes);
    if (!sum) {
      return fail(sum.error());
    }
    out[i] = *sum;
  }
  return out;
}

/// As it is on a clock of any boot: an earlier copy may be of a time before a restart, and moments
/// are then the same to within milliseconds only.
job_row without_moments(job_row row) {
  row.submitted = row.not_before = row.given = moment{};
  for (auto* const each : {&row.retried, &row.ended, &row.keep_until}) {
    if (*each) {
      *each = moment{};
    }
  }
  return row;
}

class totals {
 public:
  void add(const job_row& row, const row_sum& sums) {
    for (std::size_t i = 0; i < sums.size(); ++i) {
      all_[i].rows += i < 2 || has_results(row) ? 1 : 0;
      all_[i].sum += sums[i]; // modulo 2^64: the order does not matter
    }
  }
  const store_totals& all() const { return all_; }

 private:
  store_totals all_{table_total{"requests"}, table_total{"states"}, table_total{"results"}};
};

// ---- the copy ----------------------------------------------------------------------------------

/// The numbers of the copies: in a shared store those of this head's range, in the same order.
class numbering {
 public:
  numbering(const job_store::recovered& from, std::uint64_t last_of_target, bool shared) {
    base_ = shared ? last_of_target >> range_bits << range_bits : 0;
    keeps_ = std::all_of(from.rows.begin(), from.rows.end(), [this, shared](const job_row& row) {
      return !shared || row.order >> range_bits == base_ >> range_bits;
    });
    shifts_ = from.last_order >> range_bits == 0 &&
              std::all_of(from.rows.begin(), from.rows.end(),
                          [](const job_row& row) { return row.order >> range_bits == 0; });
    for (std::size_t i = 0; !keeps_ && !shifts_ && i < from.rows.size(); ++i) {
      places_.emplace(from.rows[i].order, base_ + i + 1);
    }
  }
  std::uint64_t of(std::uint64_t order) const {
    return keeps_ ? order : shifts_ ? base_ + order : places_.at(order);
  }
  /// The highest that was ever given, if the copies keep to it.
  std::uint64_t last(std::uint64_t of_source) const {
    return keeps_ ? of_source : shifts_ ? base_ + of_source : 0;
  }

 private:
  std::uint64_t base_ = 0;
  bool keeps_ = false, shifts_ = false;
  std::unordered_map<std::uint64_t, std::uint64_t> places_;
};

class copying {
 public:
  copying(opened& from, opened& to, copy_limits limits, const std::function<void(std::size_t)>& say)
      : from_(from), to_(to), limits_(limits), say_(say) {}

  result<copy_report> run() {
    auto source = from_.open();
    auto target = source ? to_.open() : fail(source.error());
    if (!target) {
      return fail(target.error());
    }
    const auto others = to_.others();
    if (!others) {
      return fail(others.error());
    }
    if (!others->empty()) {
      return fail(errc::wrong_state,
                  "head " + others->front().name +
                      " uses the target's database; stop it first: it would take "
                      "over jobs of a copy that is interrupted");
    }
    const numbering numbers{*source, target->last_order, to_.is_shared()};
    std::unordered_map<std::string, const job_row*> there;
    for (const auto& row : target->rows) {
      there.emplace(row.id.str(), &row);
    }
    report_.jobs = source->rows.size();
    for (auto& row : source->rows) {
      if (auto done = copy(std::move(row), numbers, there); !done) {
        return fail(done.error());
      }
    }
    if (auto done = flush(); !done) {
      return fail(done.error());
    }
    if (!there.empty()) {
      return fail(errc::wrong_state, "the target has a job that the source does not have (" +
                                         there.begin()->first +
                                         "); copy into a store that is empty");
    }
    if (auto done = keep_last(numbers.last(source->last_order), target->last_order); !done) {
      return fail(done.error());
    }
    report_.from = totals_.all();
    return report_;
  }

 private:
  result<void> copy(job_row row, const numbering& numbers,
                    std::unordered_map<std::string, const job_row*>& there) {
    const auto id = row.id.str();
    report_.damaged += row.damaged ? 1 : 0;
    report_.unended += is_final(row.state) ? 0 : 1;
    auto whole = from_.whole(std::move(row));
    auto sums = whole ? sums_of(*whole) : fail(whole.error());
    if (!sums) {
      return fail(sums.error().code, "job " + id + " of the source: " + sums.error().text);
    }
    report_.bytes += whole->request.input.size() + whole->output.size();
    whole->order = numbers.of(whole->order);
    highest_ = std::max(highest_, whole->order);
    if (const auto known = there.find(id); known != there.end()) {
      const auto order = known->second->order;
      const auto copied = to_.whole(*known->second);
      const auto theirs = copied ? sums_of(without_moments(*copied)) : fail(copied.error());
      const auto ours = sums_of(without_moments(*whole));
      if (!theirs || !ours || *theirs != *ours || order != whole->order) {
        return fail(errc::wrong_state,
                    "job " + id +
                        " of the target is not the source's: the target has been "
                        "served since an earlier copy, or has jobs of its own; "
                        "copy into a store that is empty");
      }
      const auto as_kept = sums_of(*copied); // its moments are those of the earlier copy
      if (!as_kept) {
        return fail(as_kept.error());
      }
      totals_.add(*copied, *as_kept);
      there.erase(known);
      ++report_.found;
      return say(1);
    }
    const auto bytes = whole->request.input.size() + whole->output.size();
    if (!batch_.empty() &&
        (jobs_ >= limits_.jobs_at_once || bytes_ + bytes > limits_.bytes_at_once)) {
      if (auto done = flush(); !done) {
        return done;
      }
    }
    bytes_ += bytes;
    totals_.add(*whole, *sums);
    const auto parts =
        part_request | part_state | (has_results(*whole) ? part_output | part_chunks : 0);
    batch_.emplace_back(put{*whole, static_cast<std::uint8_t>(parts)});
    if (whole->request.input.empty()) { // no job has an empty input: it was released
      batch_.emplace_back(put{*whole, part_state | part_input_released});
    }
    ++jobs_;
    return {};
  }

  result<void> flush() {
    const auto jobs = std::exchange(jobs_, 0);
    if (jobs == 0) {
      return {};
    }
    bytes_ = 0;
    auto done = to_.commit(std::exchange(batch_, {}));
    return done ? say(jobs) : done;
  }
  result<void> say(std::size_t jobs) {
    done_ += jobs;
    say_(done_);
    return {};
  }

  /// Numbers of jobs that are gone are not given again either.
  result<void> keep_last(std::uint64_t last, std::uint64_t known) {
    if (last <= std::max(known, highest_)) {
      return {};
    }
    job_row row;
    row.order = last;
    row.id = job_id{"tayfa-store-copy"};
    row.request.input = shared_text{"{}"};
    return to_.commit({put{row, part_request | part_state}, erase{last}});
  }

  opened& from_;
  opened& to_;
  const copy_limits limits_;
  const std::function<void(std::size_t)>& say_;
  copy_report report_;
  totals totals_;
  batch batch_;
  std::size_t jobs_ = 0, bytes_ = 0, done_ = 0;
  std::uint64_t highest_ = 0; ///< number of a copy
};

} // namespace

result<copy_report> copy_store(const store_maker& from, const store_maker& to, copy_limits limits,
                               const std::function<void(std::size_t)>& progress) {
  opened source{from()};
  result<copy_report> report;
  {
    opened target{to()};
    report = copying{source, target, limits, progress}.run();
  }
  if (!report) {
    return report;
  }
  opened again{to()};
  auto found = again.open();
  if (!found) {
    return fail(found.error());
  }
  totals read_back;
  for (auto& row : found->rows) {
    const auto id = row.id.str();
    const auto whole = again.whole(std::move(row));
    const auto sums = whole ? sums_of(*whole) : fail(whole.error());
    if (!sums) {
      return fail(errc::store_corrupt, "job " + id + " cannot be read back: " + sums.error().text);
    }
    read_back.add(*whole, *sums);
  }
  report->to = read_back.all();
  if (report->to != report->from) {
    return fail(errc::store_corrupt,
                "what was read back from the target is not what the source has");
  }
  return report;
}

} // namespace tayfa::store
