//! Columns of every kind of value.

/// What every database can store.
pub mod parcel {
    use ftn_audit_sea::entity::*;
    use sea_orm::{FromJsonQueryResult, entity::prelude::*};
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "String", db_type = "String(StringLen::N(8))", rename_all = "camelCase")]
    pub enum Size {
        Small,
        ExtraLarge,
    }

    #[derive(Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "i32", db_type = "Integer")]
    pub enum Level {
        #[sea_orm(num_value = 1)]
        Low,
        #[sea_orm(num_value = 20)]
        High,
    }

    #[derive(Clone, Debug, PartialEq, Eq, DeriveValueType)]
    pub struct Sku(pub String);

    #[derive(Clone, Copy, Debug, PartialEq, Eq, DeriveValueType)]
    pub struct Grams(pub i64);

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
    pub struct Address {
        pub street: String,
        pub floor: Option<i32>,
    }

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
    pub struct Stops(pub Vec<String>);

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "parcel")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tiny: i8,
        pub small: i16,
        pub large: i64,
        pub single: f32,
        #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
        pub worth: BigDecimal,
        pub size: Size,
        pub level: Level,
        pub maybe_size: Option<Size>,
        pub sku: Sku,
        pub grams: Grams,
        #[sea_orm(column_type = "Json")]
        pub address: Address,
        #[sea_orm(column_type = "Json", nullable)]
        pub stops: Option<Stops>,
        pub sent_on: TimeDate,
        pub sent_at: TimeTime,
        pub packed: TimeDateTime,
        pub arrived: Option<TimeDateTimeWithTimeZone>,
        pub chrono_packed: ChronoDateTime,
        pub chrono_arrived: ChronoDateTimeWithTimeZone,
        #[sea_orm(column_type = "VarBinary(StringLen::N(64))")]
        pub seal: Vec<u8>,
        #[sea_orm(column_type = "Text", nullable)]
        pub remark: Option<String>,
    }
}

/// What only Postgres has, in a schema of its own.
pub mod host {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "Enum", db_type = "Enum", enum_name = "host_role")]
    pub enum Role {
        #[sea_orm(string_value = "web")]
        Web,
        #[sea_orm(string_value = "db")]
        Db,
    }

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(schema_name = "net", table_name = "host")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub names: Vec<String>,
        pub ports: Option<Vec<i32>>,
        pub roles: Vec<Role>,
        #[sea_orm(column_type = "Inet")]
        pub address: IpNetwork,
        #[sea_orm(column_type = "MacAddr")]
        pub mac: Option<mac_address::MacAddress>,
        #[sea_orm(column_type = "JsonBinary")]
        pub labels: Json,
    }
}
