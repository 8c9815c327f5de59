// SPDX-License-Identifier: Apache-2.0
// filter_rust: refuses messages that have a header field with a certain value. An example of a filter
// in Rust, on nothing but lsmtpd's C headers: bindgen turns them into the file that is included below.
//
// An instance has the options; a lane is called on its own loop only. Reading a header may block where
// the message lies in a file, so it runs on the pool. No panic may cross into the daemon: what runs on
// behalf of it stands in guarded(). A job on the pool has pointers to the tables and to the instance,
// which are only read, and none to the lane: the loop changes that meanwhile.
#![allow(non_upper_case_globals, non_camel_case_types, non_snake_case, dead_code)]

mod abi {
    #![allow(clippy::all, deref_nullptr)]
    include!(env!("LSMTPD_BINDINGS"));
}
use abi::*;
use std::ffi::{c_void, CStr};
use std::os::raw::c_char;
use std::panic::{catch_unwind, AssertUnwindSafe};

// ---- strings, and statics that hold pointers ----

const fn text(bytes: &'static [u8]) -> lsmtpd_str {
    lsmtpd_str { data: bytes.as_ptr() as *const c_char, size: bytes.len() as u64 }
}

// The octets of a text of the host: they live as long as its header says.
unsafe fn bytes<'a>(text: lsmtpd_str) -> &'a [u8] {
    if text.size == 0 {
        return &[];
    }
    std::slice::from_raw_parts(text.data as *const u8, text.size as usize)
}

// Tables are written once and only read.
#[repr(transparent)]
struct Shared<T>(T);
unsafe impl<T> Sync for Shared<T> {}

fn guarded<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}

unsafe fn is(id: *const c_char, wanted: &[u8]) -> bool {
    CStr::from_ptr(id).to_bytes_with_nul() == wanted
}

// ---- instance and lane ----

struct Instance {
    raw: lsmtpd_instance,
    field: Vec<u8>,
    value: Vec<u8>,
}

// The host's tables that a lane uses. They live as long as the host does.
#[derive(Clone, Copy)]
struct Tables {
    host: *const lsmtpd_host,
    messages: &'static lsmtpd_message_1,
    header: &'static lsmtpd_header_1,
    pool: &'static lsmtpd_loop_1,
}

// [loop] Only ever reached through raw pointers: end() frees it.
struct Lane {
    raw: lsmtpd_lane,
    tables: Tables,
    instance: *const Instance,
    working: usize,
    closing: bool,
}

// A message that is being looked at; pinned, so that it outlives the call.
struct Job {
    lane: *mut Lane, // for done() only
    tables: Tables,
    instance: *const Instance, // outlives its lanes
    call: lsmtpd_call,
    message: *const lsmtpd_message,
    found: Option<bool>, // nothing: the header cannot be read
}

unsafe fn table<T>(host: *const lsmtpd_host, id: &[u8]) -> Option<&'static T> {
    let get = (*host).get_extension?;
    (get(host, id.as_ptr() as *const c_char) as *const T).as_ref()
}

unsafe fn answer(job: &Job, kind: u32, reply: &'static [u8]) {
    let verdict = lsmtpd_verdict {
        size: std::mem::size_of::<lsmtpd_verdict>() as u32,
        kind,
        code: 0,
        flags: 0,
        enhanced: text(b""),
        text: text(reply),
        detail: text(reply),
    };
    if let Some(complete) = (*job.tables.host).complete {
        complete(job.tables.host, job.call, &verdict);
    }
}

// [pool] True: there is such a field. Nothing: the header cannot be read.
unsafe fn look(job: &Job) -> Option<bool> {
    let instance = &*job.instance;
    let header = job.tables.header;
    let (count, find, at) = (header.count?, header.find?, header.at?);
    if count(job.message) < 0 {
        return None;
    }
    let name = lsmtpd_str {
        data: instance.field.as_ptr() as *const c_char,
        size: instance.field.len() as u64,
    };
    let mut number = find(job.message, name, 0);
    while number >= 0 {
        let mut field: lsmtpd_header_field = std::mem::zeroed();
        field.size = std::mem::size_of::<lsmtpd_header_field>() as u32;
        at(job.message, number as u64, &mut field);
        if bytes(field.value).eq_ignore_ascii_case(&instance.value) {
            return Some(true);
        }
        number = find(job.message, name, number as u64 + 1);
    }
    Some(false)
}

// [pool] The loop does not touch the job until done().
unsafe extern "C" fn work(data: *mut c_void) {
    let job = data as *mut Job;
    let found = guarded(None, || look(&*job));
    (*job).found = found;
}

// [loop]
unsafe extern "C" fn done(data: *mut c_void) {
    guarded((), || {
        let job = Box::from_raw(data as *mut Job);
        match job.found {
            Some(false) => answer(&job, LSMTPD_CONTINUE, b""),
            Some(true) => answer(&job, LSMTPD_REJECT, b"Message refused by its header"),
            None => answer(&job, LSMTPD_TEMPFAIL, b"The header cannot be read now"),
        }
        if let Some(unpin) = job.tables.messages.unpin {
            unpin(job.message);
        }
        (*job.lane).working -= 1;
        if (*job.lane).closing && (*job.lane).working == 0 {
            end(job.lane);
        }
    })
}

unsafe extern "C" fn on_message(
    raw: *const lsmtpd_lane,
    call: lsmtpd_call,
    message: *const lsmtpd_message,
    _event: *const lsmtpd_filter_event,
) {
    guarded((), || {
        let lane = (*raw).self_ as *mut Lane;
        let tables = (*lane).tables;
        if let Some(pin) = tables.messages.pin {
            pin(message);
        }
        (*lane).working += 1;
        let instance = (*lane).instance;
        let job = Job { lane, tables, instance, call, message, found: None };
        let job = Box::into_raw(Box::new(job)) as *mut c_void;
        let started = match tables.pool.offload {
            Some(offload) => offload(tables.host, Some(work), Some(done), job) == 0,
            None => false,
        };
        if !started {
            done(job); // no thread: the header could not be read
        }
    })
}

unsafe fn end(lane: *mut Lane) {
    let host = (*lane).tables.host;
    drop(Box::from_raw(lane));
    if let Some(lane_closed) = (*host).lane_closed {
        lane_closed(host);
    }
}

unsafe extern "C" fn close(raw: *const lsmtpd_lane, _deadline_ms: u64) {
    guarded((), || {
        let lane = (*raw).self_ as *mut Lane;
        (*lane).closing = true;
        if (*lane).working == 0 {
            end(lane);
        }
    })
}

unsafe extern "C" fn open_lane(
    raw: *const lsmtpd_instance,
    host: *const lsmtpd_host,
) -> *const lsmtpd_lane {
    guarded(std::ptr::null(), || {
        let found = (
            table::<lsmtpd_message_1>(host, LSMTPD_MESSAGE),
            table::<lsmtpd_header_1>(host, LSMTPD_HEADER),
            table::<lsmtpd_loop_1>(host, LSMTPD_LOOP),
        );
        let tables = match found {
            (Some(messages), Some(header), Some(pool)) => Tables { host, messages, header, pool },
            _ => return std::ptr::null(), // an older host
        };
        let lane = Box::into_raw(Box::new(Lane {
            raw: lsmtpd_lane { self_: std::ptr::null_mut(), close: Some(close) },
            tables,
            instance: (*raw).self_ as *const Instance,
            working: 0,
            closing: false,
        }));
        (*lane).raw.self_ = lane as *mut c_void;
        std::ptr::addr_of!((*lane).raw)
    })
}

unsafe extern "C" fn start(_: *const lsmtpd_instance, _: *const lsmtpd_report) -> i32 {
    0
}
unsafe extern "C" fn stop(_: *const lsmtpd_instance) {}
unsafe extern "C" fn destroy(raw: *const lsmtpd_instance) {
    guarded((), || drop(Box::from_raw((*raw).self_ as *mut Instance)))
}

static FILTER: lsmtpd_filter_1 = lsmtpd_filter_1 { message: Some(on_message), cancel: None };

unsafe extern "C" fn instance_extension(
    _: *const lsmtpd_instance,
    id: *const c_char,
) -> *const c_void {
    guarded(std::ptr::null(), || match is(id, LSMTPD_FILTER) {
        true => &FILTER as *const lsmtpd_filter_1 as *const c_void,
        false => std::ptr::null(),
    })
}

// ---- factory ----

unsafe extern "C" fn create(
    _: *const lsmtpd_host,
    config: *const lsmtpd_config,
) -> *const lsmtpd_instance {
    guarded(std::ptr::null(), || {
        let string = match (*config).string {
            Some(string) => string,
            None => return std::ptr::null(),
        };
        let option =
            |key: &'static [u8]| bytes(string(config, key.as_ptr() as *const c_char)).to_vec();
        let instance = Box::into_raw(Box::new(Instance {
            raw: lsmtpd_instance {
                self_: std::ptr::null_mut(),
                start: Some(start),
                stop: Some(stop),
                destroy: Some(destroy),
                get_extension: Some(instance_extension),
                open_lane: Some(open_lane),
            },
            field: option(b"field\0"),
            value: option(b"value\0"),
        }));
        (*instance).raw.self_ = instance as *mut c_void;
        std::ptr::addr_of!((*instance).raw)
    })
}

const fn row(key: &'static [u8], value: &'static [u8], help: &'static [u8]) -> lsmtpd_option {
    lsmtpd_option {
        key: key.as_ptr() as *const c_char,
        type_: LSMTPD_TYPE_STRING,
        required: 0,
        default_value: value.as_ptr() as *const c_char,
        minimum: 0,
        maximum: 0,
        allowed: std::ptr::null(),
        help: help.as_ptr() as *const c_char,
        columns: std::ptr::null(),
        column_stride: 0,
        column_count: 0,
    }
}
static ROWS: Shared<[lsmtpd_option; 2]> = Shared([
    row(b"field\0", b"X-Spam-Flag\0", b"name of the header field\0"),
    row(b"value\0", b"YES\0", b"its value, in upper or lower case\0"),
]);
static OPTIONS: Shared<lsmtpd_options_1> = Shared(lsmtpd_options_1 {
    options: &ROWS.0 as *const lsmtpd_option,
    count: 2,
    stride: std::mem::size_of::<lsmtpd_option>() as u32,
    validate: None,
});

unsafe extern "C" fn factory_extension(id: *const c_char) -> *const c_void {
    guarded(std::ptr::null(), || match is(id, LSMTPD_OPTIONS) {
        true => &OPTIONS.0 as *const lsmtpd_options_1 as *const c_void,
        false => std::ptr::null(),
    })
}

static DESCRIPTOR: Shared<lsmtpd_descriptor> = Shared(lsmtpd_descriptor {
    size: std::mem::size_of::<lsmtpd_descriptor>() as u32,
    flags: 0,
    name: text(b"filter_rust"),
    version: text(b"1.0.0"),
    vendor: text(b"lsmtpd's examples"),
    description: text(b"refuses messages by the value of a header field"),
});
static FACTORY: Shared<lsmtpd_factory_1> = Shared(lsmtpd_factory_1 {
    descriptor: &DESCRIPTOR.0,
    get_extension: Some(factory_extension),
    create: Some(create),
});

unsafe extern "C" fn init(_: lsmtpd_str) -> i32 {
    0
}
unsafe extern "C" fn deinit() {}
unsafe extern "C" fn get_factory(id: *const c_char) -> *const c_void {
    guarded(std::ptr::null(), || match is(id, LSMTPD_FACTORY) {
        true => &FACTORY.0 as *const lsmtpd_factory_1 as *const c_void,
        false => std::ptr::null(),
    })
}

#[no_mangle]
pub static lsmtpd_entry: lsmtpd_entry_1 = lsmtpd_entry_1 {
    abi_major: LSMTPD_ABI_MAJOR,
    abi_minor: LSMTPD_ABI_MINOR,
    init: Some(init),
    deinit: Some(deinit),
    get_factory: Some(get_factory),
};
