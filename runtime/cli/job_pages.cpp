#include "runtime/cli/job_pages.hpp"

#include "runtime/cli/answer.hpp"

namespace tayfa {

namespace {

constexpr std::size_t page_jobs = 1'000;

} // namespace

command_result<job_page> job_pages::next(std::size_t most) {
  const std::size_t limit = most == 0 ? page_jobs : std::min(most, page_jobs);
  const std::string query = query_text({{"state", filter_.state},
                                        {"tenant", filter_.tenant},
                                        {"model", filter_.model},
                                        {"limit", std::to_string(limit)},
                                        {"after", after_ == 0 ? "" : std::to_string(after_)}});
  const auto answer = which_ == list::dead ? pod_.dead(query) : pod_.jobs(query);
  auto page = read_answer(api::job_list_fields, answer);
  if (!page) {
    return tl::unexpected(std::move(page.error()));
  }
  const std::uint64_t next = page->next;
  // The numbers must decrease: otherwise a faulty pod would keep this loop running for ever.
  done_ = next == 0 || (after_ != 0 && next >= after_);
  after_ = done_ ? 0 : next;
  return job_page{std::move(page->jobs), as_sent(answer->body, "jobs")};
}

} // namespace tayfa
