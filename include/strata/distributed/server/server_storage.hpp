// Where a parameter server keeps what it owns: a snapshot, and a log of what was accepted since.
//
// Generation g is a snapshot that says so and the log `….log-g`. A new one begins with its log, to which the pushes that wait
// are copied; the snapshot's rename then makes it the one that counts. So there is a whole generation at any time. Logs of
// other generations, which a process leaves that is killed in between, are removed once a snapshot and its log were read.
#pragma once

#include <dirent.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <vector>

#include "../../core/read_number.hpp"
#include "../../io/checkpoint_file.hpp"
#include "record_log.hpp"

namespace strata::inline STRATA_ABI::detail {

class ServerStorage {
public:
    /// In a directory, which is made where it is not there. Throws Error where another process has it, where there are
    /// pushes in a log whose snapshot is gone, or where another number of servers has stored there.
    ServerStorage(std::string const& directory, std::uint32_t server, std::uint32_t servers, bool durable)
        : path_(concatenate(directory, "/server-", server, "-of-", servers)),
          durable_(durable),
          lock_(opened_lock(directory, path_), path_) {
        if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
            if (errno != EWOULDBLOCK) fail_with_errno(path_, "cannot lock the storage");
            fail(path_, ": another process serves from this storage");
        }
        if (is_there()) return;
        check_logs();
        check_others(concatenate("-of-", servers, ".snapshot"));
    }

    /// The snapshot's file, which is there once begin was called.
    [[nodiscard]] std::string snapshot() const { return path_ + ".snapshot"; }
    [[nodiscard]] bool is_there() const { return ::access(snapshot().c_str(), F_OK) == 0; }

    /// Reads the snapshot: on_snapshot(file); then on_record(bytes) for what is in its log, which is gone on with.
    template <class OnSnapshot, class OnRecord>
    void load(OnSnapshot const& on_snapshot, OnRecord const& on_record) {
        CheckpointFile const file(snapshot());
        std::string const* const text = file.metadata().find("generation");
        if (!text || read_number(text->data(), text->data() + text->size(), generation_).ec != std::errc{})
            fail(snapshot(), ": this is no parameter server's snapshot");
        on_snapshot(file);
        log_.emplace(RecordLog::open(log_path(generation_), durable_, on_record));
        for (auto const generation : logs())
            if (generation != generation_) ::unlink(log_path(generation).c_str());
    }
    /// Begins a generation: for_each(append) says what its log begins with.
    template <class ForEach>
    void begin(std::span<TensorView const> tensors, Metadata metadata, ForEach const& for_each) {
        std::uint64_t const next = generation_ + 1;
        auto log = RecordLog::create(log_path(next), durable_);
        for_each([&](std::span<std::byte const> bytes) { log.append(bytes); });
        log.flush();
        metadata.add("generation", concatenate(next));
        write_checkpoint(snapshot(), tensors, std::move(metadata));
        log_.emplace(std::move(log));
        ::unlink(log_path(generation_).c_str());
        generation_ = next;
    }
    void append(std::span<std::byte const> bytes) { log_->append(bytes); }

private:
    [[nodiscard]] std::string log_path(std::uint64_t generation) const {
        return concatenate(path_, ".log-", generation);
    }
    template <class F>
    void for_each_name(F const& f) const {
        auto const place = path_.substr(0, path_.rfind('/') + 1);
        std::unique_ptr<DIR, int (*)(DIR*)> const directory(::opendir(place.c_str()), &::closedir);
        if (!directory) fail_with_errno(path_, "cannot list the storage");
        while (auto const* const entry = ::readdir(directory.get())) f(std::string_view(entry->d_name));
    }
    /// Generations of the logs that are there.
    [[nodiscard]] std::vector<std::uint64_t> logs() const {
        std::vector<std::uint64_t> all;
        std::string const begins = path_.substr(path_.rfind('/') + 1) + ".log-";
        for_each_name([&](std::string_view name) {
            std::uint64_t generation = 0;
            if (name.starts_with(begins) &&
                read_number(name.data() + begins.size(), name.data() + name.size(), generation).ptr ==
                    name.data() + name.size())
                all.push_back(generation);
        });
        return all;
    }
    /// As many servers as before are to go on; others would begin anew beside what is there.
    void check_others(std::string_view own) const {
        for_each_name([&](std::string_view name) {
            if (name.starts_with("server-") && name.ends_with(".snapshot") && !name.ends_with(own))
                fail(path_, ": ", name,
                     " is there, of a training with another number of servers: start as many, or "
                     "take another storage to begin anew");
        });
    }
    /// Without a snapshot nobody was told of a push, and there is at most the first log with at most its first worker.
    void check_logs() const {
        for (auto const generation : logs()) {
            int records = 0;
            if (generation == 1) RecordLog::read(log_path(1), [&](auto const&) { ++records; });
            if (generation != 1 || records > 1)
                fail(snapshot(), ": the snapshot is gone, but its log ", log_path(generation),
                     " is there: put it back, or remove both to begin anew");
        }
    }
    static int opened_lock(std::string const& directory, std::string const& path) {
        if (::mkdir(directory.c_str(), 0777) != 0 && errno != EEXIST)
            fail_with_errno(directory, "cannot make the directory");
        int const lock = ::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (lock < 0) fail_with_errno(path, "cannot write to the storage");
        return lock;
    }

    std::string path_;
    bool durable_;
    FileDescriptor lock_;
    std::optional<RecordLog> log_;
    std::uint64_t generation_ = 0;
};

}  // namespace strata::inline STRATA_ABI::detail
