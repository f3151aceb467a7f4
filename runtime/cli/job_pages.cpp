#include "runtime/cli/job_pages.hpp"

#include "runtime/cli/facts.hpp"

namespace tayfa {

namespace {

constexpr std::size_t page_jobs = 1'000;

} // namespace

command_result<boost::json::array> job_pages::next(std::size_t most) {
  const std::size_t limit = most == 0 ? page_jobs : std::min(most, page_jobs);
  const std::string query = query_text({{"state", filter_.state},
                                        {"tenant", filter_.tenant},
                                        {"model", filter_.model},
                                        {"limit", std::to_string(limit)},
                                        {"after", after_ == 0 ? "" : std::to_string(after_)}});
  auto answer = which_ == list::dead ? pod_.dead(query) : pod_.jobs(query);
  if (!answer) {
    return tl::unexpected(std::move(answer.error()));
  }
  const std::uint64_t next = number_of(answer->body, "next").value_or(0);
  // The numbers must decrease: otherwise a faulty pod would keep this loop running for ever.
  done_ = next == 0 || (after_ != 0 && next >= after_);
  after_ = done_ ? 0 : next;
  return list_of(answer->body, "jobs");
}

} // namespace tayfa
