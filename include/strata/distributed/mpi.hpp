// Mpi: ranks that are processes, over any MPI (CMake: strata::mpi).
//
//     int main(int argument_count, char** arguments) {
//         return Mpi::run(argument_count, arguments, [](Mpi communicator) {
//             auto trainer = train<Net>(Cpu{.threads = 1}, DataParallel{communicator}, …);
//             …
//         });
//     }
//
// and `mpirun -n 4 ./program`. Where the MPI knows what to do without a rank that is gone (ULFM: Open MPI 5 with
// `--with-ft ulfm`), the others are told by RankLost and may shrink; elsewhere mpirun ends them.
#pragma once

#define OMPI_SKIP_MPICXX 1  // MPI's old C++ interface, which nothing here needs
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>
#undef OMPI_SKIP_MPICXX
#undef MPICH_SKIP_MPICXX
#if __has_include(<mpi-ext.h>)
#include <mpi-ext.h>
#endif

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "communicator.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"  // in MPI's own macros

namespace strata::inline STRATA_ABI {

/// A rank among the processes that mpirun started.
class Mpi {
public:
    /// The ranks of `parent`, with messages of their own. MPI has to be initialised; all ranks make one together.
    explicit Mpi(MPI_Comm parent) {
        check(MPI_Comm_dup(parent, &communicator_), "MPI_Comm_dup");
        take_over();
        if (launcher == 0 && size_ > 1) launcher = getppid();
    }
    Mpi(Mpi&& other) noexcept { *this = std::move(other); }
    Mpi& operator=(Mpi&& other) noexcept {
        std::swap(communicator_, other.communicator_);
        std::swap(requests_, other.requests_);
        std::swap(posted_, other.posted_);
        std::swap(rooms_, other.rooms_);
        std::swap(used_rooms_, other.used_rooms_);
        std::swap(patience_, other.patience_);
        std::swap(rank_, other.rank_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~Mpi() {
        int ended = 0;
        MPI_Finalized(&ended);
        // All ranks free it together: not on the way out of an error, which others know nothing of, nor after a loss.
        if (communicator_ == MPI_COMM_NULL || ended != 0 || std::uncaught_exceptions() > 0) return;
#ifdef MPIX_ERR_PROC_FAILED
        int all = 1;
        if (MPIX_Comm_agree(communicator_, &all) != MPI_SUCCESS) any_lost = true;
        if (any_lost) return;
#endif
        MPI_Comm_free(&communicator_);
    }

    /// What Mpi::run ends all ranks with where one of them was lost: strata_run starts them again then (EX_TEMPFAIL).
    static constexpr int status_of_loss = 75;

    /// Initialises MPI, calls f(Mpi) and returns what main has to return. What f throws is printed with the rank and ends all
    /// ranks with status 1 (RankLost: status_of_loss), WhenLost::go_on or not; a rank whose f returns early keeps the others
    /// waiting. After a loss the process ends here.
    template <class F>
    static int run(int& argument_count, char**& arguments, F const& f) {
        int threads = 0;
        if (MPI_Init_thread(&argument_count, &arguments, MPI_THREAD_SERIALIZED, &threads) != MPI_SUCCESS ||
            threads < MPI_THREAD_SERIALIZED) {
            std::fprintf(stderr, "MPI cannot be initialised for threads that call it one at a time\n");
            return 1;
        }
        int rank = 0;
        MPI_Comm_rank(MPI_COMM_WORLD, &rank);
        std::signal(SIGPIPE, SIG_IGN);  // or a rank that is gone ends those that send to it over TCP
        for (MPI_Comm const own : {MPI_COMM_WORLD, MPI_COMM_SELF}) MPI_Comm_set_errhandler(own, MPI_ERRORS_RETURN);
        try {
            f(Mpi(MPI_COMM_WORLD));
        } catch (RankLost const& error) {
            end_all(rank, error.what(), status_of_loss);
        } catch (std::exception const& error) {
            end_all(rank, error.what(), out_of_patience ? status_of_loss : 1);
        } catch (...) { end_all(rank, "an exception that is no std::exception", 1); }
        if (any_lost) {  // MPI_Finalize would wait for the ranks that are gone, now and then for ever
            std::fflush(nullptr);
            std::_Exit(0);
        }
        MPI_Finalize();
        return 0;
    }

    [[nodiscard]] int rank() const { return rank_; }
    [[nodiscard]] int size() const { return size_; }

    /// How long, in seconds, this rank waits for others while nothing arrives, before it throws an Error that says for whom:
    /// they stand still or cannot be reached, which MPI itself may never notice. Then this communicator is of no use, and
    /// from Mpi::run the Error ends all ranks with status_of_loss. It has to be longer than whatever a rank does between two
    /// exchanges: a step, a checkpoint, a callback, its data. 0, the default: for ever. Throws Error below 0.
    void patience(double seconds) {
        if (!(seconds >= 0)) fail("Mpi::patience: ", seconds, " s, expected at least 0");
        patience_ = seconds;
    }

    void post_send(int to, std::span<std::byte const> bytes) {
        for_pieces(bytes, [&](auto piece) {
            requests_.push_back(MPI_REQUEST_NULL);
            posted_.push_back({to, -1, nullptr, nullptr});
            start(MPI_Isend(piece.data(), static_cast<int>(piece.size()), MPI_BYTE, checked(to), 0, communicator_,
                            &requests_.back()),
                  "MPI_Isend");
        });
    }
    void post_receive(int from, std::span<std::byte> bytes) {
        for_pieces(bytes, [&](auto piece) {
            requests_.push_back(MPI_REQUEST_NULL);
            // A rank that makes other calls may send a longer message, all of which Open MPI 4 writes over shared memory.
            std::byte* const room = piece.size() < piece_bytes ? next_room() : nullptr;
            posted_.push_back({from, static_cast<int>(piece.size()), piece.data(), room});
            start(MPI_Irecv(room ? room : piece.data(), static_cast<int>(piece_bytes), MPI_BYTE, checked(from), 0,
                            communicator_, &requests_.back()),
                  "MPI_Irecv");
        });
    }
    bool poll() {
        int done = 0;
        statuses_.resize(requests_.size());
        int const error = MPI_Testall(count(), requests_.data(), &done, statuses_.data());
        finish(error, done != 0);
        return done != 0;
    }
    void wait() {
        statuses_.resize(requests_.size());
        finish(wait_all(requests_, statuses_.data()), true);
    }
    bool agree(bool ok) {
        // For a rank that nobody looks after any more all others seem gone: it would train on beside those who were started
        // again. ULFM's mpirun leaves ranks behind that stood still when it ended.
        if (launcher != 0 && getppid() != launcher) fail("rank ", rank_, ": mpirun is gone");
        int all = ok ? 1 : 0;
        MPI_Request request = MPI_REQUEST_NULL;
        MPI_Status status;
#ifdef MPIX_ERR_PROC_FAILED
        int error = MPI_SUCCESS;
        if (patience_ > 0) {
            check(MPIX_Comm_iagree(communicator_, &all, &request), "MPIX_Comm_iagree");
            error = wait_all({&request, 1}, &status);
            if (error == MPI_ERR_IN_STATUS) error = status.MPI_ERROR;
        } else {
            error = MPIX_Comm_agree(communicator_, &all);
        }
        if (error != MPI_SUCCESS) {  // somebody is gone: what all the others said counts, but not as an agreement
            if (!is_loss(error)) check(error, "MPIX_Comm_agree");
            return false;
        }
        return all != 0;
#else
        int every = 0;
        check(MPI_Iallreduce(&all, &every, 1, MPI_INT, MPI_LAND, communicator_, &request), "MPI_Iallreduce");
        check(wait_all({&request, 1}, &status), "MPI_Iallreduce");
        return every != 0;
#endif
    }
    Mpi shrink() {
#ifdef MPIX_ERR_PROC_FAILED
        MPI_Comm left = MPI_COMM_NULL;
        MPIX_Comm_revoke(communicator_);
        check(MPIX_Comm_shrink(communicator_, &left), "MPIX_Comm_shrink");
        Mpi result;
        result.communicator_ = left;
        result.patience_ = patience_;
        result.take_over();
        any_lost = true;
        communicator_ = MPI_COMM_NULL;  // not freed: that takes all its ranks
        return result;
#else
        fail("rank ", rank_,
             ": a rank is gone, and this MPI cannot go on without it (ULFM can: Open MPI 5, mpirun --with-ft ulfm): "
             "start again from the last checkpoint");
#endif
    }

private:
    /// Bytes of a piece: below 64 KiB Open MPI sends over TCP at once, and both ways at the same time.
    static constexpr std::size_t piece_bytes = 61'440;

    struct Posted {
        int peer;
        int bytes;  // that are received, -1 where they are sent
        std::byte* to;
        std::byte const* room;  // where they arrive before, if not null
    };
    using Clock = std::chrono::steady_clock;

    Mpi() = default;
    /// Memory for any message, until all that was posted is done.
    std::byte* next_room() {
        if (used_rooms_ == rooms_.size()) rooms_.emplace_back(new std::byte[piece_bytes]);
        return rooms_[used_rooms_++].get();
    }
    static void end_all(int rank, char const* what, int status) {
        std::string const who = concatenate("rank ", rank, ": ");  // which Errors of the exchange say themselves
        std::fprintf(stderr, "%s%s\n", std::string_view(what).starts_with(who) ? "" : who.c_str(), what);
        MPI_Abort(MPI_COMM_WORLD, status);
    }
    void take_over() {
        check(MPI_Comm_set_errhandler(communicator_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
        MPI_Comm_rank(communicator_, &rank_);
        MPI_Comm_size(communicator_, &size_);
    }

    template <class Byte, class F>
    static void for_pieces(std::span<Byte> bytes, F const& f) {
        do {
            auto const piece = bytes.first((std::min)(piece_bytes, bytes.size()));
            f(piece);
            bytes = bytes.subspan(piece.size());
        } while (!bytes.empty());
    }
    [[nodiscard]] int count() const { return static_cast<int>(requests_.size()); }
    [[nodiscard]] int checked(int peer) {
        if (peer >= 0 && peer < size_ && peer != rank_) return peer;
        requests_.pop_back();
        posted_.pop_back();
        give_up();
        fail("rank ", rank_, ": a message with rank ", peer, ", expected another one of ", size_);
    }
    static std::string text_of(int error) {
        char text[MPI_MAX_ERROR_STRING] = {};
        int length = 0;
        MPI_Error_string(error, text, &length);
        return text;
    }
    static bool is_loss([[maybe_unused]] int error) {
#ifdef MPIX_ERR_PROC_FAILED
        int kind = MPI_SUCCESS;
        MPI_Error_class(error, &kind);
        return kind == MPIX_ERR_PROC_FAILED || kind == MPIX_ERR_PROC_FAILED_PENDING || kind == MPIX_ERR_REVOKED;
#else
        return false;
#endif
    }
    void check(int error, char const* what) const {
        if (error == MPI_SUCCESS) return;
        if (is_loss(error)) throw RankLost(concatenate("rank ", rank_, ": another rank is gone"));
        int kind = MPI_SUCCESS;
        MPI_Error_class(error, &kind);
        fail("rank ", rank_, ": ", what, ": ", text_of(error),
             kind == MPI_ERR_TRUNCATE ? ": all ranks have to make the same calls" : "");
    }
    void start(int error, char const* what) {
        if (error == MPI_SUCCESS) return;
        requests_.pop_back();
        posted_.pop_back();
        give_up();
        check(error, what);
    }
    /// MPI_Waitall, as long as this rank's patience lasts.
    int wait_all(std::span<MPI_Request> requests, MPI_Status* statuses) {
        auto const size = static_cast<int>(requests.size());
        if (patience_ <= 0) return MPI_Waitall(size, requests.data(), statuses);
        int pending = size;
        for (auto since = Clock::now();;) {
            int done = 0;
            int const error = MPI_Testall(size, requests.data(), &done, statuses);
            if (error != MPI_SUCCESS || done != 0) return error;
            if (std::chrono::duration<double>(Clock::now() - since).count() < patience_) continue;
            int const before = std::exchange(pending, count_pending(requests));
            if (pending == before) lose_patience(requests);
            since = Clock::now();
        }
    }
    static bool is_pending(MPI_Request request) {
        int done = 1;
        if (request != MPI_REQUEST_NULL) MPI_Request_get_status(request, &done, MPI_STATUS_IGNORE);
        return done == 0;
    }
    static int count_pending(std::span<MPI_Request const> requests) {
        return static_cast<int>(std::count_if(requests.begin(), requests.end(), is_pending));
    }
    [[noreturn]] void lose_patience(std::span<MPI_Request const> requests) {
        std::string peers;
        for (std::size_t i = 0; i < requests.size() && requests.size() == posted_.size(); ++i)
            if (std::string const peer = concatenate(" ", posted_[i].peer);
                is_pending(requests[i]) && (peers + " ").find(peer + " ") == std::string::npos)
                peers += peer;
        // MPI would wait for them once more to give this up: it stays as it is, until Mpi::run ends the process.
        for (auto& room : rooms_) static_cast<void>(room.release());
        rooms_.clear();
        forget();
        out_of_patience = true;
        fail("rank ", rank_, ": waits for ", peers.empty() ? "all others to agree" : "rank" + peers, ", and for ",
             patience_,
             " s nothing has come: they stand still, cannot be reached, or do not make the same calls (Mpi::patience)");
    }
    /// Ends what poll or wait were told about.
    void finish(int error, bool done) {
        if (error == MPI_SUCCESS && !done) return;
        int found = error;
        std::size_t wrong = statuses_.size();
        for (std::size_t i = 0; i < statuses_.size(); ++i) {
            if (error == MPI_ERR_IN_STATUS && statuses_[i].MPI_ERROR != MPI_SUCCESS &&
                statuses_[i].MPI_ERROR != MPI_ERR_PENDING && (found == error || is_loss(statuses_[i].MPI_ERROR)))
                found = statuses_[i].MPI_ERROR;
            int bytes = 0;
            if (error == MPI_SUCCESS && posted_[i].bytes >= 0) {
                MPI_Get_count(&statuses_[i], MPI_BYTE, &bytes);
                if (bytes != posted_[i].bytes && wrong == statuses_.size()) wrong = i;
            }
        }
        int got = 0, wanted = 0;
        if (wrong < statuses_.size()) {
            MPI_Get_count(&statuses_[wrong], MPI_BYTE, &got);
            wanted = posted_[wrong].bytes;
        }
        if (found != MPI_SUCCESS) {
            give_up();
            check(found, "a message");
        }
        for (auto const& posted : posted_)
            if (posted.room && posted.bytes > 0 && wrong == statuses_.size())
                std::memcpy(posted.to, posted.room, static_cast<std::size_t>(posted.bytes));
        forget();
        if (wrong < statuses_.size())
            fail("rank ", rank_, ": rank ", statuses_[wrong].MPI_SOURCE, " sent ", got, " bytes, expected ", wanted,
                 ": all ranks have to make the same calls");
    }
    /// Nothing of what was posted is looked at any more, nor does MPI write to the memory.
    void give_up() {
#ifdef MPIX_ERR_PROC_FAILED
        MPIX_Comm_revoke(communicator_);  // the others would wait for what is given up here
#endif
        for (auto& request : requests_)
            if (request != MPI_REQUEST_NULL) {
                MPI_Cancel(&request);
                MPI_Wait(&request, MPI_STATUS_IGNORE);
            }
        forget();
    }
    void forget() {
        requests_.clear();
        posted_.clear();
        used_rooms_ = 0;
    }

    static inline bool any_lost = false;  // of this process's peers
    static inline bool out_of_patience = false;
    static inline pid_t launcher = 0;  // of this process, where it is one of several

    MPI_Comm communicator_ = MPI_COMM_NULL;
    std::vector<MPI_Request> requests_;
    std::vector<MPI_Status> statuses_;  // of the last poll or wait
    std::vector<Posted> posted_;        // as they are
    std::vector<std::unique_ptr<std::byte[]>> rooms_;
    std::size_t used_rooms_ = 0;
    double patience_ = 0;
    int rank_ = 0, size_ = 1;
};

}  // namespace strata::inline STRATA_ABI

#pragma GCC diagnostic pop
