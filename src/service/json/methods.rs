//! The messages of every method that can be called with JSON, by their descriptors.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, MessageDescriptor, ServiceDescriptor};

use crate::service::DESCRIPTORS;
use crate::service::method::{Method, TABLE};

/// A method with one request and one response.
pub(super) struct Unary {
    /// The message of its requests.
    pub input: MessageDescriptor,
    /// The message of its responses.
    pub output: MessageDescriptor,
}

/// By the order of [`TABLE`]; `None` for methods that stream.
static METHODS: LazyLock<Vec<Option<Unary>>> = LazyLock::new(|| {
    let services = services();
    let method = |path: &str| {
        let (service, name) = path.strip_prefix('/')?.split_once('/')?;
        let service = services.iter().find(|one| one.full_name() == service)?;
        let method = service.methods().find(|method| method.name() == name)?;
        let is_unary = !method.is_client_streaming() && !method.is_server_streaming();
        is_unary.then(|| Unary { input: method.input(), output: method.output() })
    };
    TABLE.iter().map(|row| method(row.path)).collect()
});

/// The messages of the details of errors (`google.rpc`).
static DETAILS: LazyLock<DescriptorPool> = LazyLock::new(|| pool(tonic_types::pb::FILE_DESCRIPTOR_SET));

fn pool(descriptors: &[u8]) -> DescriptorPool {
    DescriptorPool::decode(descriptors).expect("descriptors that are built in and tested")
}

/// The services of the contract, and health.
pub(super) fn services() -> Vec<ServiceDescriptor> {
    let pools = [DESCRIPTORS, tonic_health::pb::FILE_DESCRIPTOR_SET].map(pool);
    pools.iter().flat_map(|pool| pool.services().collect::<Vec<_>>()).collect()
}

/// The messages of a method; `None` where it streams.
pub(super) fn unary(method: Method) -> Option<&'static Unary> {
    METHODS[method as usize].as_ref()
}

/// The message of that name among the details of errors.
pub(super) fn detail(name: &str) -> Option<MessageDescriptor> {
    DETAILS.get_message_by_name(name)
}
