//! Changes to the OpenAPI document that the handlers' attributes cannot express.

use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Components, OpenApi, RefOr, Required};

/// Marks every body without a required field as optional: an empty body reads as `{}`.
pub fn allow_empty_bodies(document: &mut OpenApi) {
    let components = document.components.clone().unwrap_or_default();
    for item in document.paths.paths.values_mut() {
        for operation in
            [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten()
        {
            allow_empty_body(operation, &components);
        }
    }
}

/// Moves the name of each command into its fields, as `command`, as the JSON has it.
pub fn name_commands(document: &mut OpenApi) {
    let schemas = document.components.as_mut().map(|components| &mut components.schemas);
    let body = schemas.and_then(|schemas| schemas.get_mut("CommandBody"));
    let Some(RefOr::T(Schema::OneOf(commands))) = body else { return };
    for command in &mut commands.items {
        let RefOr::T(Schema::Object(outside)) = command else { continue };
        let Some((name, RefOr::T(Schema::Object(mut fields)))) = outside.properties.pop() else {
            continue;
        };
        let tag = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([name]));
        fields.properties.shift_insert(0, "command".to_owned(), tag.build().into());
        fields.required.insert(0, "command".to_owned());
        fields.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        fields.description = outside.description.take();
        *command = RefOr::T(Schema::Object(fields));
    }
}

fn allow_empty_body(operation: &mut Operation, components: &Components) {
    let Some(RefOr::T(body)) = &mut operation.request_body else { return };
    let mut schemas = body.content.values().filter_map(|content| match content {
        RefOr::T(content) => content.schema.as_ref(),
        RefOr::Ref(_) => None,
    });
    if schemas.all(|schema| needs_nothing(schema, components)) {
        body.required = Some(Required::False);
    }
}

fn needs_nothing(schema: &RefOr<Schema>, components: &Components) -> bool {
    match schema {
        RefOr::T(Schema::Object(object)) => object.required.is_empty(),
        RefOr::T(_) => false,
        RefOr::Ref(reference) => {
            let name = reference.ref_location.rsplit('/').next().unwrap_or_default();
            components.schemas.get(name).is_some_and(|schema| needs_nothing(schema, components))
        }
    }
}
