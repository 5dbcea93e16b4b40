// SPDX-License-Identifier: GPL-3.0-or-later
//
// What every worker shares: a wake-up from its thread to the GUI thread. Values are handed over
// under the worker's own mutex; the wake-up only says that there are some. Not a thread and not a
// queue.

#pragma once

#include <atomic>

#include <QObject>

namespace velamen::ui {

/// Lives on the GUI thread. wake() may be called from any thread as long as the worker lives.
class Worker : public QObject {
    Q_OBJECT

public:
    explicit Worker(QObject* parent = nullptr);

protected:
    /// Any thread: woken() is called once on the GUI thread soon after.
    void wake() noexcept;
    /// On the GUI thread.
    virtual void woken() = 0;

private:
    Q_INVOKABLE void receiveWake();

    std::atomic<bool> isWakePosted_{false};
};

} // namespace velamen::ui
