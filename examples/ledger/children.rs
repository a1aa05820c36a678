//! Processes that are killed and started again.

use std::{
    io,
    process::{Child, Command, Stdio},
};

use clap::ValueEnum;

use crate::{
    arguments::{Arguments, Engine, Role},
    broker::Queues,
};

const WRITERS: i32 = 3;
const RELAYS: i32 = 2;
/// With a broker.
const WORKERS: i32 = 3;

pub struct Children {
    arguments: Arguments,
    running: Vec<Place>,
    killed: u32,
    started: u64,
}

struct Place {
    role: Role,
    slot: i32,
    child: Option<Child>,
}

impl Children {
    pub fn new(arguments: &Arguments, url: &str, endpoint: String, queues: Option<&Queues>) -> Self {
        let arguments = Arguments {
            url: url.to_owned(),
            endpoint,
            broker: queues.map(|queues| queues.url().to_owned()),
            queue: queues.map(|queues| queues.name().to_owned()).unwrap_or_default(),
            ..arguments.clone()
        };
        let place = |role| move |slot| Place { role, slot, child: None };
        let workers = if arguments.engine == Engine::Rabbitmq { WORKERS } else { 0 };
        let running = (0..WRITERS).map(place(Role::Writer)).chain((0..RELAYS).map(place(Role::Relay)));
        let running = running.chain((0..workers).map(place(Role::Worker))).collect();
        Self { arguments, running, killed: 0, started: 0 }
    }

    /// Starts who is not running.
    pub fn keep_up(&mut self) -> io::Result<()> {
        self.keep(|_| true)
    }

    /// Starts relays and workers that are not running.
    pub fn keep_relays(&mut self) -> io::Result<()> {
        self.keep(|role| role != Role::Writer)
    }

    fn keep(&mut self, wanted: impl Fn(Role) -> bool) -> io::Result<()> {
        for place in self.running.iter_mut().filter(|place| wanted(place.role)) {
            if let Some(child) = &mut place.child
                && child.try_wait()?.is_some()
            {
                place.child = None;
            }
            if place.child.is_none() {
                self.started += 1;
                place.child = Some(start(&self.arguments, place.role, place.slot, self.started)?);
            }
        }
        Ok(())
    }

    /// SIGKILL: nothing in the process hears of it.
    pub fn kill_one(&mut self) -> io::Result<()> {
        let chosen = fastrand::usize(0..self.running.len());
        self.killed += u32::from(kill(&mut self.running[chosen])?);
        Ok(())
    }

    pub fn kill_writers(&mut self) -> io::Result<()> {
        for place in self.running.iter_mut().filter(|place| place.role == Role::Writer) {
            self.killed += u32::from(kill(place)?);
        }
        Ok(())
    }

    pub fn kill_all(&mut self) -> io::Result<()> {
        for place in &mut self.running {
            kill(place)?;
        }
        Ok(())
    }

    pub fn killed(&self) -> u32 {
        self.killed
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        let _ = self.kill_all();
    }
}

fn kill(place: &mut Place) -> io::Result<bool> {
    let Some(mut child) = place.child.take() else { return Ok(false) };
    child.kill()?;
    child.wait()?;
    Ok(true)
}

fn start(arguments: &Arguments, role: Role, slot: i32, number: u64) -> io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--role", name(&role).as_str(), "--slot", &slot.to_string()]);
    command.args(["--database", name(&arguments.database).as_str()]);
    command.args(["--url", &arguments.url, "--endpoint", &arguments.endpoint]);
    command.args(["--seed", &arguments.seed.wrapping_mul(1_000_003).wrapping_add(number).to_string()]);
    command.args(["--engine", name(&arguments.engine).as_str(), "--queue", &arguments.queue]);
    if let Some(broker) = &arguments.broker {
        command.args(["--broker", broker]);
    }
    if let Some(mutant) = &arguments.mutant {
        command.args(["--mutant", name(mutant).as_str()]);
    }
    let stderr = if std::env::var_os("LEDGER_TRACE").is_some() { Stdio::inherit() } else { Stdio::null() };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn()
}

fn name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
